#!/usr/bin/env python3
"""What looking into archives adds to a cold install.

Starts Cordon with an empty data folder, lets npm or pip install through it with empty caches, and ends it
again; in turn with the built-in rules (`on`) and without those that look into archives (`off`). Prints the
seconds of each, their medians and ratio, and what the workers used: seconds of processor, most memory.

    tests/tools/cold_install.py --cordon target/release/cordon --npm FOLDER --pip "pandas requests" --runs 3

FOLDER holds a package.json and a package-lock.json. Everything is fetched from the public registries.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

INSPECTING = ("archive", "manifest", "content", "content-change", "indicator", "scanner")
TICK = os.sysconf("SC_CLK_TCK")


def policy(cordon, is_inspecting):
    """The built-in policy without the clocks, with or without the rules that look into archives."""
    text = subprocess.run([cordon, "policy", "show"], capture_output=True, text=True, check=True).stdout
    kept, is_kept = [], True
    for line in text.splitlines():
        if line.startswith("["):
            rule = line.strip("[]").split(".")[1]
            is_kept = is_inspecting or rule not in INSPECTING
        if line.startswith("version_age"):
            line = 'version_age = "0s"'
        if line.startswith("name_age = \"30d\""):
            line = 'name_age = "0s"'
        if is_kept and not line.startswith("security_fix_age"):
            kept.append(line)
    return "\n".join(kept) + "\n"


def children(pid):
    try:
        return [int(it) for task in pathlib.Path(f"/proc/{pid}/task").iterdir()
                for it in (task / "children").read_text().split()]
    except OSError:
        return []


def used(pid):
    """Seconds of processor and the most KiB of memory of a process."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        status = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    most = [int(line.split()[1]) for line in status if line.startswith("VmHWM")]
    return (int(fields[11]) + int(fields[12])) / TICK, max(most, default=0)


class Watch(threading.Thread):
    """Looks after the workers of a Cordon."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.workers, self.own, self.is_done = pid, {}, (0, 0), False

    def run(self):
        while not self.is_done:
            self.look()
            time.sleep(0.1)

    def look(self):
        self.own = used(self.pid) or self.own
        for child in children(self.pid):
            its = used(child)
            if its:
                self.workers[child] = its


def serving(arguments, folder, is_inspecting):
    (folder / "policy.toml").write_text(policy(arguments.cordon, is_inspecting))
    (folder / "config.toml").write_text(
        f'policy = ["policy.toml"]\n[server]\nlisten = "127.0.0.1:{arguments.port}"\n'
        f'admin_listen = "127.0.0.1:{arguments.port + 1}"\ndata = "data"\n'
        f"[inspection]\nworkers = {arguments.workers}\n"
    )
    log = open(folder / "log", "w")
    command = [arguments.cordon, "serve", "--config", str(folder / "config.toml")]
    process = subprocess.Popen(command, stdout=log, stderr=log)
    for _ in range(200):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{arguments.port}/", timeout=5):
                return process
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"it does not serve: {folder / 'log'}")


def install(arguments, tool, folder):
    environment = {key: it for key, it in os.environ.items() if not key.startswith("PIP_")}
    base = f"http://127.0.0.1:{arguments.port}"
    if tool == "npm":
        for file in ("package.json", "package-lock.json"):
            shutil.copyfile(pathlib.Path(arguments.npm) / file, folder / file)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error",
                   "--registry", f"{base}/npm/", "--cache", str(folder / "cache")]
    else:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-cache-dir", "--no-compile",
                   "--index-url", f"{base}/pypi/simple/", "--target", str(folder / "installed"),
                   *arguments.pip.split()]
    began = time.monotonic()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    seconds = time.monotonic() - began
    if done.returncode:
        print(done.stderr[-1500:], file=sys.stderr)
    return seconds, done.returncode


def once(arguments, tool, is_inspecting):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cold-", dir=arguments.work))
    process = serving(arguments, folder, is_inspecting)
    watch = Watch(process.pid)
    watch.start()
    try:
        seconds, status = install(arguments, tool, folder)
    finally:
        watch.look()
        watch.is_done = True
        process.terminate()
        process.wait()
        shutil.rmtree(folder)
    workers = watch.workers.values()
    return {
        "tool": tool, "inspection": "on" if is_inspecting else "off", "status": status,
        "seconds": round(seconds, 2), "cordon_cpu": watch.own[0], "cordon_mib": watch.own[1] // 1024,
        "workers": len(workers), "workers_cpu": round(sum(cpu for cpu, _ in workers), 2),
        "worker_mib": max((kib for _, kib in workers), default=0) // 1024,
        "load": os.getloadavg()[0],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cordon", required=True)
    parser.add_argument("--npm")
    parser.add_argument("--pip")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--port", type=int, default=4973)
    parser.add_argument("--work", help="where to work; the folder for temporary files when not given")
    arguments = parser.parse_args()
    for tool in [tool for tool in ("npm", "pip") if getattr(arguments, tool)]:
        seconds = {True: [], False: []}
        for _ in range(arguments.runs):
            for is_inspecting in (False, True):
                row = once(arguments, tool, is_inspecting)
                print(json.dumps(row), flush=True)
                seconds[is_inspecting].append(row["seconds"])
        on, off = (statistics.median(seconds[it]) for it in (True, False))
        print(f"{tool}: on {on:.2f} s, off {off:.2f} s, ratio {on / off:.2f}", flush=True)


if __name__ == "__main__":
    main()
