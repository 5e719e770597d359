"""LazyGroup: a group of commands, some of which are made only when they are called."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, MutableMapping
from importlib import import_module
from typing import Any, ClassVar

from typer.core import TyperGroup
from typer.main import get_command


class OnDemand(MutableMapping[str, Any]):
    """Commands by name; what has no command yet is made when it is looked up.

    `make` may know more names than are listed, and raises `KeyError` for those that it does not.
    """

    def __init__(
        self, made: MutableMapping[str, Any], names: Iterable[str], make: Callable[[str], Any]
    ) -> None:
        self._made, self._make = made, make
        self._names = dict.fromkeys((*made, *names))

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._names[name], self._made[name] = None, command

    def __delitem__(self, name: str) -> None:
        del self._names[name]
        self._made.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class LazyGroup(TyperGroup):
    """`modules`: where commands stand that are imported when they are called; each has a `cli`."""

    modules: ClassVar[dict[str, str]] = {}

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = OnDemand(self.commands, self.names(), self.make)

    def names(self) -> Iterable[str]:
        return self.modules

    def make(self, name: str) -> Any:
        command = get_command(import_module(self.modules[name]).cli)
        command.name = name
        return command
