"""`ModelService`: which models there are to choose from."""

from typing import Any

import grpc
from llm_crowdsourced.v1 import model_service_pb2 as pb
from llm_crowdsourced.v1 import model_service_pb2_grpc

from server.errors import NotFoundError
from server.models.registry import Models
from server.rpc.convert import known
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
        raise NotImplementedError
