from .diagnosis import diagnose as diagnose
from .finding import Diagnosis as Diagnosis
from .finding import Finding as Finding
from .machine import Machine as Machine
from .model_summary import ModelSummary as ModelSummary
from .model_summary import summarize as summarize
