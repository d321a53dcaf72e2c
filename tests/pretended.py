"""A node of 64 cores, as far as any library asks: a shim for LD_PRELOAD."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

CORES = 64
SHIM = f"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>
long sysconf(int name) {{
  static long (*real)(int);
  if (name == _SC_NPROCESSORS_ONLN || name == _SC_NPROCESSORS_CONF) return {CORES};
  if (!real) real = dlsym(RTLD_NEXT, "sysconf");
  return real(name);
}}
int get_nprocs(void) {{ return {CORES}; }}
int get_nprocs_conf(void) {{ return {CORES}; }}
static int all(size_t size, cpu_set_t *set) {{
  memset(set, 0, size);
  for (int core = 0; core < {CORES} && core < (int)(8 * size); core++) CPU_SET_S(core, size, set);
  return 0;
}}
int sched_getaffinity(pid_t process, size_t size, cpu_set_t *set) {{ return all(size, set); }}
int pthread_getaffinity_np(unsigned long thread, size_t size, cpu_set_t *set) {{
  return all(size, set);
}}
"""


def many_cores(folder: Path) -> Path:
    """Compile the shim; the test is skipped where nothing compiles C for Linux."""
    if shutil.which("gcc") is None or not Path("/proc/self/status").exists():
        pytest.skip("needs gcc, on Linux")
    (folder / "cores.c").write_text(SHIM)
    words = ["gcc", "-shared", "-fPIC", "-o", folder / "cores.so", folder / "cores.c", "-ldl"]
    subprocess.run(words, check=True)
    return folder / "cores.so"
