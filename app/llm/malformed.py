"""MalformedAnswer: what a provider sent that is no answer of HTTP."""


class MalformedAnswer(Exception):
    """What came is no HTTP answer, or not in a form that was asked for."""
