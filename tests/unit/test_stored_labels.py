"""Labels as a store has them, read when somebody asks; and large answers of a store."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermand.core.labels import StoredLabels
from countermand.store.sql.session import JSON_IN_A_MILLISECOND, values_of
from countermand.store.sqlite.session import Rows

LABELS = st.dictionaries(st.text(), st.text(), max_size=16)


@given(LABELS)
def test_stored_labels_are_the_labels_that_were_stored(labels: dict[str, str]) -> None:
    stored = StoredLabels(json.dumps(labels))
    assert stored.count == len(labels)
    assert bool(stored) == bool(labels)
    assert stored == labels
    assert dict(stored) == labels
    assert all(stored[key] == value for key, value in stored.items())


ANSWERS = {
    "nothing": [],
    "little": [[1, "a"], [2, "b"]],
    "one large": [["], [" * JSON_IN_A_MILLISECOND]],
    "many": [[number, '"[]{},: \u2028', None, {"a": [1.5]}] for number in range(5000)],
    "many numbers": list(range(50_000)),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("between", [(",", ":"), (", ", ": "), (",\n ", " : ")], ids=repr)
def test_an_answer_of_a_store_is_read_whole_however_large_it_is(answer, between):
    text = json.dumps(answer, separators=between)
    assert values_of([Rows([(text,)]), Rows([("[]",)])]) == answer
