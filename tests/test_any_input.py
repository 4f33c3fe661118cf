"""Whatever is fitted to whatever: an error or finite output, and nothing else is changed."""

from _inputs import cases, outcome
from hypothesis import HealthCheck, given, settings


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_any_estimator_refuses_any_rows_or_gives_finite_numbers(case):
    outcome(case)
