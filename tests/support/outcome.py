"""How a command ended."""


class Done:
    def __init__(self, process):
        self.code, self.out, self.err = process.returncode, process.stdout, process.stderr

    def __repr__(self):
        return f"code {self.code}\nout {self.out}\nerr {self.err}"
