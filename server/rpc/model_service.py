"""`ModelService`: which models there are to choose from."""

from typing import Any

import grpc
from llm_crowdsourced.v1 import model_service_pb2 as pb
from llm_crowdsourced.v1 import model_service_pb2_grpc

from server.errors import NotFoundError
from server.models.registry import Models, Pace
from server.rpc.convert import known, timestamp
from server.rpc.requests import check

Context = grpc.aio.ServicerContext[Any, Any]


class ModelServicer(model_service_pb2_grpc.ModelServiceServicer):
    """Fills `ModelService` over the configured providers."""

    def __init__(self, models: Models) -> None:
        self._models = models

    async def ListModels(
        self, request: pb.ListModelsRequest, context: Context
    ) -> pb.ListModelsResponse:
        """Lists providers with their models."""
        check(request)
        providers = await self._models.providers(request.provider)
        if request.provider and not providers:
            raise NotFoundError(f"provider {request.provider}")
        return pb.ListModelsResponse(
            providers=[
                pb.Provider(
                    name=provider.name,
                    reachable=provider.reachable,
                    problem=provider.problem,
                    limits=_limits(provider.pace),
                    calls_under_way=provider.pace.under_way,
                    concurrent_calls_now=provider.pace.concurrent_now,
                    **_hold(provider.pace),
                    models=[
                        pb.Model(
                            name=model.name,
                            license=model.license,
                            **known(
                                {
                                    name: getattr(model.prices, name, None)
                                    for name in (
                                        "prompt_usd_per_million",
                                        "completion_usd_per_million",
                                    )
                                }
                            ),
                        )
                        for model in provider.models
                    ],
                )
                for provider in providers
            ]
        )

    async def UpdateProviderLimits(
        self, request: pb.UpdateProviderLimitsRequest, context: Context
    ) -> pb.UpdateProviderLimitsResponse:
        """Changes how fast a provider is called."""
        check(request)
        limits = request.limits
        given = {field.name: value for field, value in limits.ListFields()}
        try:
            pace = self._models.set_limits(
                request.provider,
                max_concurrent_calls=given.get("max_concurrent_calls"),
                requests_per_minute=given.get("requests_per_minute"),
                tokens_per_minute=given.get("tokens_per_minute"),
            )
        except LookupError as error:
            raise NotFoundError(f"provider {request.provider}") from error
        return pb.UpdateProviderLimitsResponse(limits=_limits(pace))


def _hold(pace: Pace) -> dict[str, Any]:
    if pace.hold is None:
        return {}
    return {"held_until": timestamp(pace.hold.until), "hold_reason": pace.hold.why}


def _limits(pace: Pace) -> pb.ProviderLimits:
    return pb.ProviderLimits(
        max_concurrent_calls=pace.max_concurrent_calls,
        requests_per_minute=pace.requests_per_minute,
        tokens_per_minute=pace.tokens_per_minute,
    )
