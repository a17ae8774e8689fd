"""The words by which platforms say that goods have left, after which an order is not cancelled."""

from collections.abc import Iterable
from unicodedata import normalize

MAX_WORD_LENGTH = 128
"""In characters, of a word that an operator adds."""


def letters(word: str) -> str:
    """Returns the letters of a word in one case, by which words are compared.

    Platforms spell one word as `PartiallyShipped`, `partially_shipped` and `Partially shipped`;
    case, blanks and all other signs tell no words apart.
    """
    return "".join(filter(str.isalpha, normalize("NFKC", word).casefold()))


STANDARD_WORDS = (
    "shipped",
    "partially shipped",
    "fulfilled",
    "partially fulfilled",
    "finished",
    "partially finished",
    "partial",
    "in transit",
    "out for delivery",
    "delivered",
    "partially delivered",
    "picked up",
    "carrier picked up",
    "attempted delivery",
    "success",
)
"""What platforms call an order, or a part of one, of which goods have left."""


class ShippedWords:
    """The standard words, and those of an operator's platform."""

    def __init__(self, more: Iterable[str] = ()) -> None:
        """Raises ValueError for a word without a letter, or a longer one than any platform has."""
        more = tuple(more)
        for word in more:
            if not letters(word) or len(word) > MAX_WORD_LENGTH:
                raise ValueError(
                    f"a shipped word has 1 to {MAX_WORD_LENGTH} characters and at least one"
                    f" letter, not {word[:MAX_WORD_LENGTH]!r}"
                )
        self._known = frozenset(map(letters, (*STANDARD_WORDS, *more)))

    def __contains__(self, word: object) -> bool:
        return isinstance(word, str) and letters(word) in self._known
