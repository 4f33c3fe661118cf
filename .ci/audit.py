"""Look for known vulnerabilities of all that is pinned.

PyPI knows them, where pip-audit asks for a version; a mirror of its files may not. Where it is out
of reach that is said, and nothing is looked for, so that a machine without a network can lint.
"""

import subprocess
import sys
from urllib.request import urlopen

try:
    urlopen("https://pypi.org/pypi/pip/24.0/json", timeout=10).close()
except OSError as error:
    print(f"Nothing was looked for: what PyPI knows of packages is out of reach ({error}).")
    sys.exit(0)
# A package that PyPI has no page of is named, and is no error.
options = ["--disable-pip", "--no-deps", "--requirement", "constraints.txt"]
sys.exit(subprocess.call([sys.executable, "-m", "pip_audit", *options]))
