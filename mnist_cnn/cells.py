"""What a notebook's cells say when they are run out of order."""

from IPython import get_ipython


def explain_skipped():
    """From now on, a cell that misses a name says what to do about it. Does nothing outside a notebook."""

    def explain(shell, kind, error, traceback, tb_offset=None):
        error.args = (f"{error}: run the cells above this one first, from top to bottom, if one of them defines it",)
        shell.showtraceback((kind, error, traceback), tb_offset=tb_offset)

    if shell := get_ipython():
        shell.set_custom_exc((NameError,), explain)
