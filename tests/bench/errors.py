"""What stops a benchmark. A figure is shown only if every answer behind it was right."""


class BenchError(Exception):
    """Something makes the figures worthless or impossible; the message names the remedy if there is one."""


class WrongAnswer(BenchError):
    """A server answered something other than what the load asked for: the run is void."""
