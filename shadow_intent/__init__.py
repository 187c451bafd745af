"""Voice commands for a legged robot: a detached shadow on the robot, the same shadow attached in the cloud."""

from pkgutil import extend_path

# The generated messages live beside the installed package; the sources may come from a checkout.
__path__ = extend_path(__path__, __name__)
