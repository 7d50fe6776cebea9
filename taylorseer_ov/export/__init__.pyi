from .checkpoint import ExportError as ExportError
from .export import export_model as export_model
from .hub import HubError as HubError
from .hub import download_exported as download_exported
from .hub import is_hub_id as is_hub_id
