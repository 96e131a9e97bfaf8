"""What people see of an error that nothing caught."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr

from fairness_core.errors import UserError, words_for

BUG = "Something went wrong that is not your fault: try again. If it happens again, the server's log has the details."
log = logging.getLogger(__name__)


@contextmanager
def readable_errors() -> Iterator[None]:
    """Raises gr.Error: with the message of an error that is meant for people, or for a bug, whose traceback is logged."""
    try:
        yield
    except gr.Error:
        raise
    except UserError as error:
        raise gr.Error(str(error), print_exception=False) from error
    except OSError as error:
        log.exception("A file of the server could not be read or written")
        raise gr.Error(words_for(error), print_exception=False) from error
    except Exception as error:
        log.exception("A bug, which people were told of in one sentence")
        raise gr.Error(BUG, print_exception=False) from error
