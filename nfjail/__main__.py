"""python3 -m nfjail: the same as the command nfjail."""

import sys

from nfjail.cli import main

sys.exit(main())
