"""The tables that the FastAPI contenders read and write, as SQLAlchemy maps them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, FetchedValue, ForeignKey
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Event(Base):
    __tablename__ = "event"
    __table_args__ = {"schema": "fastapi"}
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    description: Mapped[str]
    location: Mapped[str]
    start_time: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    end_time: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    capacity: Mapped[int]
    taken: Mapped[int]
    organizer_id: Mapped[int | None] = mapped_column(deferred=True)
    category: Mapped[str] = mapped_column(server_default=FetchedValue(), deferred=True)
    __mapper_args__ = {"eager_defaults": False}


class Account(Base):
    __tablename__ = "account"
    __table_args__ = {"schema": "fastapi"}
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]


class SignIn(Base):
    __tablename__ = "sign_in"
    __table_args__ = {"schema": "fastapi"}
    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("fastapi.account.id"))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Audit(Base):
    __tablename__ = "audit"
    __table_args__ = {"schema": "fastapi"}
    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int]
    event_id: Mapped[int]
    before: Mapped[dict[str, Any]] = mapped_column(JSONB)
    after: Mapped[dict[str, Any]] = mapped_column(JSONB)


class Change(Base):
    __tablename__ = "change"
    __table_args__ = {"schema": "fastapi"}
    id: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[int]
    type: Mapped[str]


class Registration(Base):
    __tablename__ = "registration"
    __table_args__ = {"schema": "fastapi"}
    id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[int] = mapped_column(ForeignKey("fastapi.event.id"))
    name: Mapped[str]
    email: Mapped[str]
    registered_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
