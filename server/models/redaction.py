"""Takes a provider's key out of what is kept and shown: endpoints quote it in their errors."""

from dataclasses import dataclass, field

_SHOWN = "[key]"


@dataclass(frozen=True)
class Redaction:
    """Hides one key; none if it is empty."""

    secret: str = field(default="", repr=False)

    def __call__(self, text: str) -> str:
        """Returns the text with the key hidden."""
        return text.replace(self.secret, _SHOWN) if self.secret else text

    def beginning(self, text: str, *, whole: bool) -> str:
        """Returns a text with the key hidden, in which the key may have been cut in two.

        Args:
            text: A text or its beginning.
            whole: It is all of it; otherwise its last characters go, as they may be
                the key's first.
        """
        hidden = self(text)
        return hidden if whole or not self.secret else hidden[: -len(self.secret)]
