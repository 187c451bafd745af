"""The cloud side: the client the robot uses, and the server where the shadow is attached to its base."""
