"""Who is told of what: notification channels, the alerts, the dashboard and the budget that go to them.

Owns: channels and budget, and what belongs together. Does not own: what each alert watches (infra/alerts.py).
"""

import hashlib
from collections.abc import Sequence

import pulumi
import pulumi_gcp as gcp
from pulumi import Input, Output, ResourceOptions

from infra.alerts import Alerts
from infra.dashboard import Dashboard
from infra.log_metrics import LogMetrics
from infra.stack_config import OperationsSettings

_THRESHOLDS = (0.5, 0.9, 1.0)
_MOST_CHANNELS_OF_A_BUDGET = 5


class Operations(pulumi.ComponentResource):
    """`project_number` is what budgets name a project by. Without a billing account there is no budget."""

    def __init__(
        self,
        name: str,
        *,
        project: str,
        project_number: Output[str],
        environment: str,
        settings: OperationsSettings,
        labels: dict[str, str],
        after: Sequence[pulumi.Resource] = (),
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("recsys:infra:Operations", name, None, opts)
        self._after, self._labels = list(after), labels
        inside = ResourceOptions(parent=self)
        metrics = LogMetrics(f"{name}-metrics", project=project, after=after, opts=inside)
        channels = [self._channel(address) for address in settings.emails]
        Alerts(
            f"{name}-alerts",
            settings=settings,
            channels=channels,
            labels=labels,
            after=[*after, *metrics.resources],
            opts=inside,
        )
        title = f"Recommender training ({environment})"
        Dashboard(f"{name}-page", title=title, after=[*after, *metrics.resources], opts=inside)
        if settings.billing_account:
            self._declare_budget(settings, project_number, environment, channels)
        self.register_outputs({})

    def _channel(self, address: str) -> Output[str]:
        """By a digest of the address, so that another order of the list is no change."""
        digest = hashlib.sha256(address.encode()).hexdigest()[:8]
        channel = gcp.monitoring.NotificationChannel(
            f"{self.pulumi_resource_name}-email-{digest}",
            type="email",
            display_name=address,
            labels={"email_address": address},
            user_labels=self._labels,
            opts=ResourceOptions(parent=self, depends_on=self._after),
        )
        return channel.id

    def _declare_budget(
        self,
        settings: OperationsSettings,
        project_number: Output[str],
        environment: str,
        channels: Sequence[Input[str]],
    ) -> None:
        gcp.billing.Budget(
            f"{self.pulumi_resource_name}-budget",
            billing_account=settings.billing_account,
            display_name=f"Recommender training ({environment})",
            amount=gcp.billing.BudgetAmountArgs(
                specified_amount=gcp.billing.BudgetAmountSpecifiedAmountArgs(units=str(settings.monthly_budget))
            ),
            budget_filter=gcp.billing.BudgetBudgetFilterArgs(projects=[project_number.apply("projects/{}".format)]),
            threshold_rules=[
                gcp.billing.BudgetThresholdRuleArgs(threshold_percent=share, spend_basis="CURRENT_SPEND")
                for share in _THRESHOLDS
            ],
            all_updates_rule=gcp.billing.BudgetAllUpdatesRuleArgs(
                monitoring_notification_channels=list(channels)[:_MOST_CHANNELS_OF_A_BUDGET]
            )
            if channels
            else None,
            opts=ResourceOptions(parent=self, depends_on=self._after),
        )
