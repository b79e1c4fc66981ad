"""FastAPI with SQLAlchemy's asyncio, as its documentation leads one to write it, in two variants.

`counting` has page numbers with a total, and locks and counts to register. `lean` is the result of
measurements: keyset pages without a total, and a conditional UPDATE. Its signed-in requests have a
token and one query for account and sign-in.
"""

import os
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

import jwt
from fastapi import Depends, FastAPI, Header, HTTPException
from psycopg.conninfo import conninfo_to_dict
from pydantic import BaseModel, ConfigDict
from sqlalchemy import func, select, tuple_, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import undefer

from .fastapi_key import SIGNING_KEY
from .fastapi_tables import Account, Audit, Change, Event, Registration, SignIn

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


class ViewedEventOut(EventOut):
    my_role: str | None = None


class ViewedPage(BaseModel):
    next: str | None
    results: list[ViewedEventOut]


class EventIn(BaseModel):
    name: str
    description: str
    location: str
    start_time: datetime
    end_time: datetime
    capacity: int


class EventEdit(BaseModel):
    name: str | None = None
    description: str | None = None
    location: str | None = None


class ProfileOut(BaseModel):
    """Less than the product's: no registrations, preferences or notifications."""

    id: int
    email: str
    created: int
    upcoming: list[ViewedEventOut]


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


def _filters(category: str = "") -> list[Any]:
    return [Event.category == category] if category else []


Filters = Annotated[list[Any], Depends(_filters)]


@lean.get("/events/")
async def list_by_keyset(session: Session, filters: Filters, after: str = "") -> KeysetPage:
    start, number = datetime.now(UTC), 0
    if after:
        text, _, last = after.partition("_")
        start, number = datetime.fromisoformat(text), int(last)
    rows = await session.scalars(
        select(Event)
        .where(tuple_(Event.start_time, Event.id) > (start, number), *filters)
        .order_by(Event.start_time, Event.id)
        .limit(PAGE_SIZE)
    )
    results = [EventOut.model_validate(row) for row in rows]
    return KeysetPage(next=_following(results), results=results)


def _following(results: Sequence[EventOut]) -> str | None:
    last = results[-1] if len(results) == PAGE_SIZE else None
    return f"{last.start_time.isoformat()}_{last.id}" if last else None


async def _viewer(session: Session, authorization: Annotated[str, Header()]) -> Account:
    try:
        claims = jwt.decode(authorization.removeprefix("Bearer "), SIGNING_KEY, ["HS256"])
    except jwt.InvalidTokenError as error:
        raise HTTPException(401) from error
    account = await session.scalar(
        select(Account)
        .join(SignIn, SignIn.account_id == Account.id)
        .where(SignIn.id == UUID(claims["sid"]), SignIn.ended_at.is_(None))
    )
    if account is None:
        raise HTTPException(401)
    return account


Viewer = Annotated[Account, Depends(_viewer)]
_viewed_events = select(Event).options(undefer(Event.organizer_id))


def _viewed(event: Event, viewer: Account) -> ViewedEventOut:
    viewed = ViewedEventOut.model_validate(event)
    viewed.my_role = "owner" if event.organizer_id == viewer.id else None
    return viewed


async def _viewed_page(session: AsyncSession, viewer: Account, *where: Any) -> ViewedPage:
    query = _viewed_events.where(*where).order_by(Event.start_time, Event.id).limit(PAGE_SIZE)
    results = [_viewed(row, viewer) for row in await session.scalars(query)]
    return ViewedPage(next=_following(results), results=results)


@lean.get("/signed-in/events/")
async def list_for_viewer(session: Session, viewer: Viewer, filters: Filters) -> ViewedPage:
    return await _viewed_page(session, viewer, Event.start_time > datetime.now(UTC), *filters)


@lean.get("/signed-in/events/{event_id}/")
async def read_for_viewer(session: Session, viewer: Viewer, event_id: int) -> ViewedEventOut:
    event = await session.scalar(_viewed_events.where(Event.id == event_id))
    if event is None:
        raise HTTPException(404)
    return _viewed(event, viewer)


@lean.post("/signed-in/events/", status_code=201)
async def create(session: Session, viewer: Viewer, given: EventIn) -> ViewedEventOut:
    event = Event(**given.model_dump(), taken=0, organizer_id=viewer.id)
    session.add(event)
    await session.flush()
    after = given.model_dump(mode="json")
    session.add(Audit(account_id=viewer.id, event_id=event.id, before={}, after=after))
    session.add(Change(event_id=event.id, type="created"))
    await session.commit()
    return _viewed(event, viewer)


@lean.patch("/signed-in/events/{event_id}/")
async def edit(session: Session, viewer: Viewer, event_id: int, given: EventEdit) -> ViewedEventOut:
    own = _viewed_events.where(Event.id == event_id, Event.organizer_id == viewer.id)
    event = await session.scalar(own.with_for_update())
    if event is None:
        raise HTTPException(404)
    after = given.model_dump(exclude_unset=True)
    before = {name: getattr(event, name) for name in after}
    for name, value in after.items():
        setattr(event, name, value)
    session.add(Audit(account_id=viewer.id, event_id=event.id, before=before, after=after))
    session.add(Change(event_id=event.id, type="edited"))
    await session.commit()
    return _viewed(event, viewer)


@lean.get("/me/events/")
async def list_own(session: Session, viewer: Viewer) -> ViewedPage:
    return await _viewed_page(session, viewer, Event.organizer_id == viewer.id)


@lean.get("/me/")
async def read_profile(session: Session, viewer: Viewer) -> ProfileOut:
    own = Event.organizer_id == viewer.id
    created = await session.scalar(select(func.count()).select_from(Event).where(own))
    coming = _viewed_events.where(own, Event.start_time > datetime.now(UTC))
    rows = await session.scalars(coming.order_by(Event.start_time, Event.id).limit(5))
    upcoming = [_viewed(row, viewer) for row in rows]
    return ProfileOut(id=viewer.id, email=viewer.email, created=created or 0, upcoming=upcoming)


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


@lean.post("/signed-in/events/{event_id}/register/", status_code=201)
async def register_for_viewer(
    session: Session, viewer: Viewer, event_id: int, given: RegistrationIn
) -> RegistrationOut:
    return await register_by_condition(session, event_id, given)


async def _saved(session: AsyncSession, registration: Registration) -> RegistrationOut:
    session.add(registration)
    try:
        await session.commit()
    except IntegrityError as error:
        raise HTTPException(409, "This address is already registered.") from error
    return RegistrationOut.model_validate(registration)
