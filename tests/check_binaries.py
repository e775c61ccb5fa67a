#!/usr/bin/env python3
"""What a host relies on in the built libraries: the exported symbols, the libraries needed, and no call that would take the
process away from the host or write to its console.

    python3 tests/check_binaries.py exports LIBSTEER LIST      exported symbols equal the checked-in list
    python3 tests/check_binaries.py needed LIBSTEER            no libtorch, no CUDA among the needed libraries
    python3 tests/check_binaries.py calls ARCHIVE...           our objects call nothing on the list below
"""
import re
import subprocess
import sys

FORBIDDEN = {
    "ends the process": "abort exit _exit _Exit quick_exit std::terminate() raise kill".split(),
    "writes to the host's console": "printf vprintf puts putchar perror std::cout std::cerr std::clog "
                                    "__printf_chk __vprintf_chk psignal".split() + ["stdout", "stderr"],
    "changes the process": "setenv putenv unsetenv clearenv setlocale chdir fchdir umask signal sigaction sigprocmask "
                           "atexit on_exit __cxa_at_quick_exit feenableexcept fesetround fesetenv nice setpriority "
                           "fork vfork execv execve execvp system popen".split(),
    "has state that others share": "rand srand random srandom strtok".split(),
}
# Inline parts of other people's headers that reach our objects, each with the one forbidden call it holds.
FOREIGN = {}


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def check_exports(library, listed):
    names = {re.sub(r"@.*", "", line.split()[-1]) for line in run("nm", "-D", "--defined-only", library).splitlines() if line.strip()}
    names = {name for name in names if not re.fullmatch(r"LIBSTEER_[\w.]+|_init|_fini|_edata|_end|__bss_start", name)}
    with open(listed, encoding="utf-8") as file:
        text = re.sub(r"/\*.*?\*/|#[^\n]*", " ", file.read(), flags=re.DOTALL)
    wanted = set(re.findall(r"\bsteer_\w+", text.split("local:")[0]))
    faults = [f"exported but not listed: {name}" for name in sorted(names - wanted)]
    faults += [f"listed but not exported: {name}" for name in sorted(wanted - names)]
    return faults, f"{len(names)} exported symbols"


def check_needed(library):
    needed = re.findall(r"\(NEEDED\).*\[(.+?)\]", run("readelf", "-d", library))
    faults = [f"needs {name}" for name in needed if re.search(r"torch|c10|cuda|cupti|cublas|nvrtc|python|gomp", name)]
    if not needed:
        faults.append("no needed libraries at all: not a dynamic library?")
    return faults, "needs " + " ".join(needed)


def check_calls(archives):
    reasons = {name: reason for reason, names in FORBIDDEN.items() for name in names}
    faults, objects = [], 0
    for archive in archives:
        current = archive
        for line in run("nm", "-C", "-u", archive).splitlines():
            if line.endswith(":"):
                current, objects = line[:-1], objects + 1
                continue
            name = re.sub(r"@.*", "", line.strip().removeprefix("U ").removeprefix("w ").strip())
            name = re.sub(r"\[abi:\w+\]", "", name)
            if name in reasons and name not in FOREIGN.get(current, ()):
                faults.append(f"{archive}({current}): calls {name}, which {reasons[name]}")
    if objects == 0:
        faults.append("no object files seen")
    return faults, f"{objects} objects"


def main():
    what, arguments = sys.argv[1], sys.argv[2:]
    if what == "exports":
        faults, words = check_exports(*arguments)
    elif what == "needed":
        faults, words = check_needed(*arguments)
    elif what == "calls":
        faults, words = check_calls(arguments)
    else:
        sys.exit(__doc__)
    for fault in faults:
        print(f"fault: {fault}")
    print(f"{words}, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
