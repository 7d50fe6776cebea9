"""Names that `typing` has from Python 3.11 on, so that annotations can be resolved on 3.10 too."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if sys.version_info >= (3, 11):
    from typing import Self as Self
    from typing import Unpack as Unpack
elif TYPE_CHECKING:
    from typing_extensions import Self as Self
    from typing_extensions import Unpack as Unpack
else:
    Self = Any

    class Unpack:
        """Stand for the keywords of a `TypedDict` by that dictionary itself."""

        def __class_getitem__(cls, keywords: Any) -> Any:
            return keywords
