"""Operations at the moment a process ends: the answer is one of two that make sense, and the container obeys."""
import time

import pytest

ALLOWED = {
    "remove": (204,), "stop": (204, 304), "kill": (204, 409), "restart": (204,), "pause": (204, 409, 500), "start": (204, 304), "rename": (204,), "resize": (200, 409), "top": (200, 409), "stats": (200,),
    "exec": (201, 409), "inspect": (200,), "wait": (200,), "logs": (200,),
}


def ask(api, verb, container, number):
    if verb == "remove":
        return api.delete(f"/containers/{container}?force=1&v=1")
    if verb == "exec":
        return api.post(f"/containers/{container}/exec", {"Cmd": ["true"]})
    path = {"inspect": "json", "rename": f"rename?name=race-{number}", "resize": "resize?h=5&w=5", "stop": "stop?t=5", "restart": "restart?t=5", "logs": "logs?stdout=1&follow=1",
            "stats": "stats?stream=0&one-shot=1"}.get(verb, verb)
    return api.request("GET" if verb in ("inspect", "top", "logs", "stats") else "POST", f"/containers/{container}/{path}")


@pytest.mark.slow
@pytest.mark.parametrize("verb", ALLOWED)
def test_while_it_ends(api, verb):
    odd = []
    for number in range(8 if api.engine.is_docker() else 60):
        container = api.run("true", Tty=verb == "resize")
        time.sleep((0, 0.003, 0.006, 0.012)[number % 4])
        answer = ask(api, verb, container, number)
        if answer.status not in ALLOWED[verb]:
            odd.append((number, answer))
        if verb == "pause" and answer.status == 204:
            api.post(f"/containers/{container}/unpause")
        removed = api.delete(f"/containers/{container}?force=1&v=1")
        if removed.status not in (204, 404 if verb == "remove" else 204):
            odd.append((number, removed))
    assert not odd, odd[:3]
    assert api.get("/containers/json?all=1").json() == []
