"""Why something is refused, and where."""

from contextlib import contextmanager


class Refused(Exception):
    """What was read breaks the protocol. The message names the place, outermost first."""

    def __init__(self, reason, layer=None):
        super().__init__(reason)
        self.reason = reason
        self.layer = layer

    def __str__(self):
        return self.reason


class RuleBroken(Refused):
    """A statement breaks a rule of section 12."""

    def __init__(self, name, why=""):
        super().__init__(f"{name}: {why}" if why else name)
        self.name = name


def need(condition, reason):
    """Refuses unless the condition holds."""
    if not condition:
        raise Refused(reason)


def rule(condition, name, why=""):
    """The rule holds, or the statement is refused under its name."""
    if not condition:
        raise RuleBroken(name, why)


@contextmanager
def at(place):
    """Puts the place before the reason of whatever is refused inside."""
    try:
        yield
    except Refused as refused:
        refused.reason = f"{place}: {refused.reason}"
        raise
