import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "db" / "tests"))  # where postgres_for_tests.py is
