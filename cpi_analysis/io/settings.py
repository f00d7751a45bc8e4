"""What every settings object shares: it is frozen, and it knows no unnamed setting."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class StrictModel(BaseModel):
    """A frozen settings object in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
