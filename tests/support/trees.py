"""Directory trees as they can be compared: types, modes, owners, times, content, links and extended attributes."""
import hashlib
import os
import stat


def describe(root):
    """{path: what is there}; hard links are named by the first path of their file."""
    tree, first = {}, {}

    def look(path, shown):
        st = os.lstat(path)
        kind = stat.S_IFMT(st.st_mode)
        entry = {"type": kind, "mode": stat.S_IMODE(st.st_mode), "owner": (st.st_uid, st.st_gid),
                 "xattrs": {name: os.getxattr(path, name, follow_symlinks=False) for name in os.listxattr(path, follow_symlinks=False) if not name.startswith("trusted.overlay.")}}
        if kind != stat.S_IFDIR:
            entry["time"] = int(st.st_mtime)
            if st.st_nlink > 1:
                entry["same as"] = first.setdefault(st.st_ino, shown)
        if kind == stat.S_IFLNK:
            entry["target"] = os.readlink(path)
        elif kind in (stat.S_IFCHR, stat.S_IFBLK):
            entry["device"] = st.st_rdev
        elif kind == stat.S_IFREG:
            with open(path, "rb") as file:
                entry["content"] = (st.st_size, hashlib.file_digest(file, "sha256").hexdigest())
        tree[shown] = entry
        if kind == stat.S_IFDIR:
            for name in sorted(os.listdir(path)):
                look(path + b"/" + name, shown + b"/" + name)

    look(os.fsencode(root), b"")
    return tree


def difference(one, other):
    """What differs between two trees, in words; "" for nothing."""
    lines = [f"only in the first: {path!r}" for path in one.keys() - other.keys()] + [f"only in the second: {path!r}" for path in other.keys() - one.keys()]
    lines += [f"{path!r}: {one[path]} / {other[path]}" for path in one.keys() & other.keys() if one[path] != other[path]]
    return "\n".join(sorted(lines)[:20])
