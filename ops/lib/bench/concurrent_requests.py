"""Requests that are asked so many at a time."""

from concurrent.futures import ThreadPoolExecutor


def ask_all(count, ask, items):
    """What `ask(number, item)` gives for each item, in their order. A failure leaves out what has not begun."""
    pool = ThreadPoolExecutor(count)
    try:
        return [answer.result() for answer in [pool.submit(ask, *item) for item in enumerate(items)]]
    finally:
        pool.shutdown(cancel_futures=True)
