"""The exceptions of shadow_intent.

ShadowIntentError
├── ConfigError          a YAML file or parameter is wrong: names file, key, what was expected and what came
├── BundleError          a bundle is missing, damaged or does not fit the skills
├── InputError           an utterance, JSON line or message cannot be read
├── CloudError
│   ├── CloudUnavailable     no cloud answered in time
│   └── PlanError            the model's answer is not a valid plan
└── RobotError           the robot refused a request, or it is not safe to talk to it
"""


class ShadowIntentError(Exception):
    """Base of every error this package raises on purpose."""


class ConfigError(ShadowIntentError):
    """A configuration file or parameter is wrong."""


class BundleError(ShadowIntentError):
    """A bundle is missing, damaged, or does not fit the configured skills."""


class InputError(ShadowIntentError):
    """An utterance or a message cannot be read."""


class CloudError(ShadowIntentError):
    """The cloud could not help."""


class CloudUnavailable(CloudError):
    """No cloud answered before the deadline."""


class PlanError(CloudError):
    """The model's answer is not a valid plan."""


class RobotError(ShadowIntentError):
    """The robot refused a request, or it is not safe to talk to it."""
