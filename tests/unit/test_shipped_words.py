"""By which words of a platform goods have left: each platform's own, in every spelling."""

import pytest

from countermand.core.shipping import MAX_WORD_LENGTH, STANDARD_WORDS, ShippedWords, letters
from countermand.rpc.wire.snapshots import ORDER, goods_left
from countermand.v1.order_pb2 import Fulfillment, Order

LEFT, STAYS = True, False
PLATFORMS: dict[str, dict[str, bool]] = {
    "Shopify: FulfillmentDisplayStatus and OrderDisplayFulfillmentStatus of its Admin API": {
        "ATTEMPTED_DELIVERY": LEFT,
        "CARRIER_PICKED_UP": LEFT,
        "DELIVERED": LEFT,
        "IN_TRANSIT": LEFT,
        "OUT_FOR_DELIVERY": LEFT,
        "PICKED_UP": LEFT,
        "CONFIRMED": STAYS,
        "IN_PROGRESS": STAYS,
        "LABEL_PRINTED": STAYS,
        "ON_HOLD": STAYS,
        "OPEN": STAYS,
        "READY_FOR_PICKUP": STAYS,
        "NOT_DELIVERED": STAYS,
        "RESTOCKED": STAYS,
        "SCHEDULED": STAYS,
        "UNFULFILLED": STAYS,
    },
    "Shopify: status of a fulfillment in its REST Admin API": {
        "success": LEFT,
        "pending": STAYS,
        "cancelled": STAYS,
    },
    "SHOPLINE: OrderFulfillmentStatus of its Storefront API": {
        "FULFILLED": LEFT,
        "PARTIALLY_FULFILLED": LEFT,
        "UNFULFILLED": STAYS,
    },
    "Shoplazza: fulfillment_status in the list of orders of its Open API": {
        "partially_shipped": LEFT,
        "shipped": LEFT,
        "partially_finished": LEFT,
        "finished": LEFT,
        "initialled": STAYS,
        "waiting": STAYS,
    },
    "Medusa: fulfillment_status of StoreOrder": {
        "partially_fulfilled": LEFT,
        "partially_delivered": LEFT,
        "not_fulfilled": STAYS,
        "canceled": STAYS,
    },
    "commercetools: ShipmentState of an order": {
        "Shipped": LEFT,
        "Delivered": LEFT,
        "Partial": LEFT,
        "Ready": STAYS,
        "Pending": STAYS,
        "Delayed": STAYS,
        "Backorder": STAYS,
    },
    "Vendure: OrderState of core's order state machine": {
        "PartiallyFulfilled": LEFT,
        "Fulfilled": LEFT,
        "PaymentSettled": STAYS,
    },
    "nopCommerce: Nop.Core.Domain.Shipping.ShippingStatus": {
        "PartiallyShipped": LEFT,
        "NotYetShipped": STAYS,
        "ShippingNotRequired": STAYS,
    },
    "GrandNode: Grand.Domain.Shipping.ShippingStatus": {
        "Shipped": LEFT,
        "PreparedToShipped": STAYS,
    },
    "Sylius: Sylius\\Component\\Core\\OrderShippingStates": {
        "partially_shipped": LEFT,
        "ready": STAYS,
        "cart": STAYS,
    },
    "Saleor: OrderStatusFilter of its GraphQL API": {
        "partially fulfilled": LEFT,
        "ready_to_fulfill": STAYS,
    },
    "Google: status of an order in the Content API for Shopping": {
        "partiallyDelivered": LEFT,
        "pendingShipment": STAYS,
        "inProgress": STAYS,
    },
}
WORDS = [
    pytest.param(word, left, id=f"{platform.partition(':')[0]} {word}")
    for platform, words in PLATFORMS.items()
    for word, left in words.items()
]


def _parts(word: str) -> list[str]:
    """Returns the words of which one that a platform joined is made."""
    spaced = "".join(f" {sign}" if sign.isupper() else sign for sign in word)
    return (word if word.isupper() else spaced).replace("_", " ").lower().split()


def _spellings(word: str) -> set[str]:
    """Returns all that a platform may write for a word."""
    parts = _parts(word)
    joined = {sign.join(parts) for sign in ("", " ", "_", "-", "  ", "\u00a0", " - ")}
    joined |= {"".join(map(str.title, parts)), parts[0] + "".join(map(str.title, parts[1:]))}
    cased = {change(text) for text in joined for change in (str, str.upper, str.lower, str.title)}
    return {f"{left}{text}{left}" for text in cased for left in ("", " ", "\t", "\n")} | {word}


def test_the_table_has_40_words_of_eleven_platforms() -> None:
    assert len({platform.partition(":")[0] for platform in PLATFORMS}) == 11
    assert len({letters(word) for words in PLATFORMS.values() for word in words}) >= 40


@pytest.mark.parametrize(("word", "left"), WORDS)
def test_a_platforms_word_says_whether_goods_have_left_in_every_spelling_and_place(
    word: str, left: bool
) -> None:
    have_left = goods_left(ShippedWords())
    for spelling in _spellings(word):
        parts = [Fulfillment(status="pending"), Fulfillment(id="2", status=spelling)]
        for order in (Order(fulfillment_status=spelling), Order(fulfillments=parts)):
            assert have_left(ORDER.encode(order)) is left, spelling


def test_every_standard_word_says_so_and_no_part_or_opposite_of_it_does() -> None:
    words = ShippedWords()
    for word in STANDARD_WORDS:
        assert word in words
        for other in (f"not {word}", f"un{word}", f"{word}s", word[:-1], ""):
            assert other not in words, other


def test_signs_that_look_or_read_alike_tell_no_words_apart() -> None:
    words = ShippedWords()
    for word in ("ＳＨＩＰＰＥＤ", "SHİPPED", "ship\u200bped", "«shipped»!", "in/transit"):
        assert word in words, word


@pytest.mark.parametrize("shipped", [True, False])
def test_shipped_decides_alone_if_it_is_set(shipped: bool) -> None:
    have_left = goods_left(ShippedWords())
    for status in ("shipped", "unfulfilled"):
        order = Order(shipped=shipped, fulfillment_status=status)
        assert have_left(ORDER.encode(order)) is shipped


def test_an_operators_words_are_compared_likewise() -> None:
    have_left = goods_left(ShippedWords(["completely shipped", "versandt"]))
    for status in ("CompletelyShipped", "completely-shipped", " VERSANDT ", "shipped"):
        assert have_left(Order(fulfillment_status=status).SerializeToString()), status
    assert not goods_left(ShippedWords())(Order(fulfillment_status="versandt").SerializeToString())


@pytest.mark.parametrize("word", ["", " ", "_-", "42", "\N{THUMBS UP SIGN}", "x" * 129])
def test_a_word_without_a_letter_or_too_long_is_no_word(word: str) -> None:
    with pytest.raises(ValueError, match="at least one letter"):
        ShippedWords([word])
    assert "x" * MAX_WORD_LENGTH in ShippedWords(["x" * MAX_WORD_LENGTH])
