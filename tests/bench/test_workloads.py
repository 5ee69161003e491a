from tests.bench.workloads import Scale, follows, longest_gap


def test_the_longest_gap_counts_where_it_touches_the_span() -> None:
    times = [0.0, 1.0, 5.0, 5.5, 9.0]
    assert longest_gap(times, 4.0, 5.4) == 4.0
    assert longest_gap(times, 5.0, 5.4) == 0.5
    assert longest_gap(times, 0.0, 9.0) == 4.0


def test_shorter_lengths_keep_their_proportions() -> None:
    assert Scale().shorter() == Scale(50, 50, 375, 1000, 150, 250, 125)


def test_a_cut_answer_may_follow_the_schema() -> None:
    keys = ["a", "b"]
    assert follows('{"a": 1, "b": 2}', keys)
    assert follows('{"a": "x", "b": "unfin', keys)
    assert follows('{ "a": "x", "b"  :\n"unfin', keys)
    assert not follows('{"b": "x", "c', keys)
    assert not follows('{"b": 1, "a": 2}', keys)
    assert not follows("some text", keys)
