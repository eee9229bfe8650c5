"""How the servers run whose collection runs all the time."""

import sys
from pathlib import Path

from tests.torture.harness import LEASE

INTERVAL = "200ms"
"""Between two collections. Each costs a look at every row."""

COLLECTING = {"LIMITS_LEASE": f"{int(LEASE * 1000)}ms", "GC_INTERVAL": INTERVAL, "GC_RATE": "0"}

HESITANT = (sys.executable, str(Path(__file__).with_name("hesitant.py").absolute()))
