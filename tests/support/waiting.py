"""Waiting for a condition, with a limit."""
import time


def wait_until(condition, timeout=10, what="the condition", interval=0.02):
    """The first true value of condition(); fails after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout} s for {what}")
        time.sleep(interval)
