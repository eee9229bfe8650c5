"""The configuration: frozen structs with defaults beside the field, from `orlop.toml`, `ORLOP_*` and options."""

from orlop.config.address import Address
from orlop.config.errors import ConfigurationError
from orlop.config.load import Loaded, check_exposure, load, load_with_origins
from orlop.config.quantities import FreeFloor
from orlop.config.settings import (
    AccessSettings,
    AuditSettings,
    DatabaseSettings,
    LimitsSettings,
    LogSettings,
    MetricsSettings,
    Settings,
    StorageSettings,
    TlsSettings,
)

__all__ = [
    "AccessSettings",
    "Address",
    "AuditSettings",
    "ConfigurationError",
    "DatabaseSettings",
    "FreeFloor",
    "LimitsSettings",
    "Loaded",
    "LogSettings",
    "MetricsSettings",
    "Settings",
    "StorageSettings",
    "TlsSettings",
    "check_exposure",
    "load",
    "load_with_origins",
]
