"""The suite's own collector of adopted processes takes no exit code from those who wait for it."""
import subprocess
import time


def test_children_with_a_session_of_their_own_keep_their_codes(reaper):  # pylint: disable=unused-argument
    children = [subprocess.Popen(["sh", "-c", "exit 4"], start_new_session=True) for _ in range(20)]
    time.sleep(0.2)
    assert {child.wait() for child in children} == {4}
