"""Configuration: TOML drop-ins become frozen values, or a ConfigError that lists every problem."""

from __future__ import annotations

from nfjail.config.load import load
from nfjail.config.problem import ConfigError, Problem
from nfjail.config.show import show
from nfjail.config.types import Config, Fail2banFilter, FilterConfig, JailConfig, Mode
from nfjail.core.policy import Increment

__all__ = [
    "Config", "ConfigError", "Fail2banFilter", "FilterConfig", "Increment", "JailConfig", "Mode", "Problem", "load", "show",
]  # fmt: skip
