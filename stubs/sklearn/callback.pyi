from typing import Any

class CallbackSupportMixin:
    def _init_callback_context(self, max_subtasks: int | None = 0) -> Any: ...
