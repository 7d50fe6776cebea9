from .lines import BadLine as BadLine
from .lines import BatchLine as BatchLine
from .lines import parse_lines as parse_lines
from .lines import read_lines as read_lines
from .run import BadLinesError as BadLinesError
from .run import run_batch as run_batch
from .share import BatchProgress as BatchProgress
from .sitting import Outcome as Outcome
