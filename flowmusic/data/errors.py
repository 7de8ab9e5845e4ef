"""What can be wrong with data that training is given.  Imports nothing, so that a command can know it cheaply."""


class WrongData(ValueError):
    """The data cannot serve the training that was asked for; the message says what to do."""


class NoClipLongEnough(WrongData):
    """The window is longer than every clip."""


class BrokenShardError(WrongData):
    """A shard is not what the index says; the message names it and says what to do."""
