"""FastAPI with SQLAlchemy's asyncio, as its documentation leads one to write it, in two variants.

`counting` has page numbers with a total, and locks and counts to register. `lean` is what somebody
makes of it who has measured: keyset pages without a total, and a conditional UPDATE.
"""

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import Depends, FastAPI, HTTPException
from psycopg.conninfo import conninfo_to_dict
from pydantic import BaseModel, ConfigDict
from sqlalchemy import DateTime, ForeignKey, func, select, tuple_, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

PAGE_SIZE = 20


def _engine() -> Any:
    parts = conninfo_to_dict(os.environ["BENCHMARKS_DATABASE_URL"])
    parts["database"] = parts.pop("dbname")
    return create_async_engine(
        "postgresql+asyncpg://", connect_args=parts, pool_size=5, max_overflow=0
    )


_sessions = async_sessionmaker(_engine(), expire_on_commit=False)


async def _session() -> AsyncIterator[AsyncSession]:
    async with _sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(_session)]


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


class Registration(Base):
    __tablename__ = "registration"
    __table_args__ = {"schema": "fastapi"}
    id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[int] = mapped_column(ForeignKey("fastapi.event.id"))
    name: Mapped[str]
    email: Mapped[str]
    registered_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class EventOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: int
    name: str
    description: str
    location: str
    start_time: datetime
    end_time: datetime
    capacity: int
    taken: int


class CountedPage(BaseModel):
    count: int
    results: list[EventOut]


class KeysetPage(BaseModel):
    next: str | None
    results: list[EventOut]


class RegistrationIn(BaseModel):
    name: str
    email: str


class RegistrationOut(RegistrationIn):
    model_config = ConfigDict(from_attributes=True)
    id: UUID
    event_id: int
    registered_at: datetime


counting = FastAPI()
lean = FastAPI()


@counting.get("/events/")
async def list_counted(session: Session, page: int = 1) -> CountedPage:
    upcoming = Event.start_time > datetime.now(UTC)
    count = await session.scalar(select(func.count()).select_from(Event).where(upcoming))
    rows = await session.scalars(
        select(Event)
        .where(upcoming)
        .order_by(Event.start_time, Event.id)
        .limit(PAGE_SIZE)
        .offset(PAGE_SIZE * (page - 1))
    )
    return CountedPage(count=count or 0, results=[EventOut.model_validate(row) for row in rows])


@lean.get("/events/")
async def list_by_keyset(session: Session, after: str = "") -> KeysetPage:
    start, number = datetime.now(UTC), 0
    if after:
        text, _, last = after.partition("_")
        start, number = datetime.fromisoformat(text), int(last)
    rows = await session.scalars(
        select(Event)
        .where(tuple_(Event.start_time, Event.id) > (start, number))
        .order_by(Event.start_time, Event.id)
        .limit(PAGE_SIZE)
    )
    results = [EventOut.model_validate(row) for row in rows]
    last_row = results[-1] if len(results) == PAGE_SIZE else None
    following = f"{last_row.start_time.isoformat()}_{last_row.id}" if last_row else None
    return KeysetPage(next=following, results=results)


def _registration(event_id: int, given: RegistrationIn) -> Registration:
    return Registration(
        id=uuid4(),
        event_id=event_id,
        name=given.name,
        email=given.email.lower(),
        registered_at=datetime.now(UTC),
    )


@counting.post("/events/{event_id}/register/", status_code=201)
async def register_by_counting(
    session: Session, event_id: int, given: RegistrationIn
) -> RegistrationOut:
    event = await session.scalar(select(Event).where(Event.id == event_id).with_for_update())
    if event is None:
        raise HTTPException(404)
    taken = await session.scalar(
        select(func.count()).select_from(Registration).where(Registration.event_id == event_id)
    )
    if (taken or 0) >= event.capacity:
        raise HTTPException(409, "The event is full.")
    return await _saved(session, _registration(event_id, given))


@lean.post("/events/{event_id}/register/", status_code=201)
async def register_by_condition(
    session: Session, event_id: int, given: RegistrationIn
) -> RegistrationOut:
    taken = await session.execute(
        update(Event)
        .where(Event.id == event_id, Event.taken < Event.capacity)
        .values(taken=Event.taken + 1)
        .returning(Event.id)
    )
    if taken.first() is None:
        raise HTTPException(409, "The event is full.")
    return await _saved(session, _registration(event_id, given))


async def _saved(session: AsyncSession, registration: Registration) -> RegistrationOut:
    session.add(registration)
    try:
        await session.commit()
    except IntegrityError as error:
        raise HTTPException(409, "This address is already registered.") from error
    return RegistrationOut.model_validate(registration)
