"""The robustness harness: real clients against a real server, faults at random, and a checker.

In the manner of etcd's robustness tests. `run` plays one run: `traffic` and `watchers` call through
`clients`, which write down every call and every message of a watch in a `history`, while `faults`
kill, freeze and cut. Then `truth` reads the log and the rows from the store's file, and `checks`
hold the history to them: a promise that was broken, a check that did not finish and a run with too
little traffic all fail the run.
"""
