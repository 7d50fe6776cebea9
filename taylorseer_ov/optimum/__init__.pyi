from .calibration import RecordableOptimumPipeline as RecordableOptimumPipeline
from .enable import EnabledCache as EnabledCache
from .enable import cache_report as cache_report
from .enable import disable_cache as disable_cache
from .enable import enable_cache as enable_cache
from .folder import OptimumFolder as OptimumFolder
from .report import BranchReport as BranchReport
from .report import CacheReport as CacheReport
