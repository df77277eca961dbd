"""A route that does nothing: what HTTP and FastAPI cost by themselves."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/")
async def empty() -> dict:
    return {}
