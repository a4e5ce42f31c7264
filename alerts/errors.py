"""What a channel answers when a message did not go out; delivery decides by the kind.

Smart360Error
└── NotDelivered
    ├── Throttled   wait, then the same again (F78)
    ├── Unclear     no definite answer: search for the alert's key before posting again (F79, F80, F85)
    ├── Gone        the message to edit or to answer was deleted: post anew (F84)
    └── Refused     a definite no; ``about`` says what to do instead (F81–F83)
"""

from enum import StrEnum

from baselines.errors import Smart360Error


class Refusal(StrEnum):
    """What a refusal is about, and with that what helps."""

    CHANNEL = "channel"  #: this channel does not take it: use the fallback channel (F81)
    ACCESS = "access"  #: the token or a scope: every channel of the workspace is affected (F82)
    CONTENT = "content"  #: the form of the message: send its plain text once (F83)
    OTHER = "other"  #: a code we do not know


class NotDelivered(Smart360Error):
    """A channel did not confirm a message."""

    code = "not_delivered"
    exit_code = 3


class Throttled(NotDelivered):
    """The channel wants a pause of ``retry_after_s`` seconds; nothing was posted."""

    code = "throttled"

    def __init__(self, retry_after_s: float, *, where: str) -> None:
        super().__init__(
            f"asked to wait {retry_after_s:g} s.", where=where, mend="Nothing to do: it is sent again by itself."
        )
        self.retry_after_s = retry_after_s


class Unclear(NotDelivered):
    """The answer was lost or is not the channel's; the message may or may not be there."""

    code = "unclear"

    def __init__(self, what: str, *, where: str) -> None:
        super().__init__(what, where=where, mend="Nothing to do: the channel is searched, then it is sent again.")


class Gone(NotDelivered):
    """The message to edit or answer is no longer there, or can no longer be edited."""

    code = "gone"

    def __init__(self, *, where: str) -> None:
        super().__init__("the message is gone.", where=where, mend="Nothing to do: it is posted anew.")


class Refused(NotDelivered):
    """The channel said no; ``code`` is its own word (``channel_not_found``), ``about`` what it concerns."""

    def __init__(self, code: str, about: Refusal, *, where: str, what: str, mend: str) -> None:
        super().__init__(what, where=where, mend=mend)
        self.code, self.about = code, about
