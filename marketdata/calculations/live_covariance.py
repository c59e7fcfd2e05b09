"""The live covariance: daily correlations scaled by volatilities that follow one-minute bars."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketdata.calculations import covariance as ewma
from marketdata.calculations.correlation import from_covariance

BARS_PER_DAY = 390
DAYS_PER_YEAR = 252
HALF_LIFE_BARS = 390
OVERNIGHT_FACTOR = 1.4
STALE_AFTER = 5
RAW_DECAY = 0.94


@dataclass(frozen=True, slots=True)
class ScaledVolatility:
    """A bar volatility per day and per year, fractions."""

    daily: float
    annual: float


def hybrid(
    daily_covariance: NDArray[np.float64],
    bar_volatility: NDArray[np.float64],
    *,
    bars_per_day: int = BARS_PER_DAY,
    overnight_factor: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Daily correlation with intraday volatility: the matrix live figures use.

    Parameters
    ----------
    daily_covariance : ndarray, shape (n, n)
        EWMA of daily returns; only its correlations are used.
    bar_volatility : ndarray, shape (n,)
        Of one-minute log returns, fraction per bar.
    bars_per_day : int
        One-minute bars in a session.
    overnight_factor : ndarray, shape (n,), optional
        Close-to-close over open-to-close volatility; 1 for all without it.

    Returns
    -------
    ndarray, shape (n, n)
        Of daily returns.

    Raises
    ------
    ValueError
        The shapes disagree.
    """
    volatility = bar_volatility * np.sqrt(bars_per_day)
    if overnight_factor is not None:
        volatility = volatility * overnight_factor
    if daily_covariance.shape != (volatility.size, volatility.size):
        raise ValueError(
            f"covariance {daily_covariance.shape} does not fit {volatility.size} volatilities"
        )
    result = from_covariance(daily_covariance)
    result *= np.outer(volatility, volatility)
    return result


def overnight_factor(
    opens: NDArray[np.float64], closes: NDArray[np.float64], minimum: int = 20
) -> float:
    """How much larger a day's volatility is than its session's, between 1 and 2.

    Parameters
    ----------
    opens, closes : ndarray, shape (t,)
        Of consecutive sessions, oldest first; a day with NaN is left out.
    minimum : int
        Pairs needed; with fewer, or without intraday variance, the answer is 1.4.

    Returns
    -------
    float
        sqrt(mean squared close-to-close / mean squared open-to-close log return).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        whole = np.log(closes[1:] / closes[:-1])
        inside = np.log(closes[1:] / opens[1:])
    good = np.isfinite(whole) & np.isfinite(inside)
    if good.sum() < max(minimum, 1):
        return OVERNIGHT_FACTOR
    intraday = float(np.mean(inside[good] ** 2))
    if intraday <= 0.0:
        return OVERNIGHT_FACTOR
    return float(np.clip(np.sqrt(np.mean(whole[good] ** 2) / intraday), 1.0, 2.0))


def scale_vol(
    bar_volatility: float,
    bars_per_day: int = BARS_PER_DAY,
    days_per_year: int = DAYS_PER_YEAR,
) -> ScaledVolatility:
    """A one-minute volatility per day and per year, by the square root of time."""
    daily = bar_volatility * bars_per_day**0.5
    return ScaledVolatility(daily, daily * days_per_year**0.5)


class LiveCovariance:
    """The live matrix of a universe, one bar at a time; entry i of every array is asset i.

    Holds the daily matrix, each asset's bar variance and last price, how many bars it has not
    traded, and the raw per-bar matrix that serves as a second, faster gauge.
    """

    __slots__ = (
        "_raw",
        "_raw_valid",
        "bar_variance",
        "carried",
        "daily",
        "factor",
        "prices",
    )

    def __init__(
        self,
        daily_covariance: NDArray[np.float64],
        prices: NDArray[np.float64],
        overnight_factor: NDArray[np.float64],
        *,
        bar_variance: NDArray[np.float64] | None = None,
        raw_covariance: NDArray[np.float64] | None = None,
        carried: NDArray[np.float64] | None = None,
    ) -> None:
        size = prices.size
        if daily_covariance.shape != (size, size) or overnight_factor.shape != (size,):
            raise ValueError(f"matrix, prices and factors of different sizes: {size} prices")
        self.daily = np.array(daily_covariance, dtype=np.float64)
        self.prices = np.array(prices, dtype=np.float64)
        self.factor = np.array(overnight_factor, dtype=np.float64)
        per_bar = self.daily / np.outer(self.factor, self.factor) / BARS_PER_DAY
        # Warm start: before the first bar the hybrid matrix is the daily one.
        warm = np.maximum(np.diag(per_bar), 0.0) if bar_variance is None else bar_variance
        self.bar_variance = np.array(warm, dtype=np.float64)
        self.carried = np.zeros(size) if carried is None else np.array(carried, dtype=np.float64)
        self._raw = ewma.EwmaMatrix(
            per_bar if raw_covariance is None else raw_covariance, RAW_DECAY
        )
        self._raw_valid = True

    @property
    def stale(self) -> NDArray[np.bool_]:
        """Assets without a trade in the last five bars; their volatility stands still."""
        return self.carried >= STALE_AFTER

    def on_bar(self, prices: NDArray[np.float64], *, first: bool = False) -> None:
        """Take the closing prices of one bar.

        Parameters
        ----------
        prices : ndarray, shape (n,)
            NaN for an asset that did not trade: its last price is carried, the return is 0.
        first : bool
            The first bar of a session holds the overnight move: it sets prices and nothing else.

        Raises
        ------
        ValueError
            The shape is wrong, or a price is zero, negative or infinite.
        """
        if prices.shape != self.prices.shape:
            raise ValueError(f"{prices.size} prices for {self.prices.size} assets")
        traded = np.isfinite(prices)
        if np.isinf(prices).any() or (prices[traded] <= 0.0).any():
            raise ValueError("a bar closes at a positive, finite price or not at all")
        returns = np.zeros(prices.size)
        returns[traded] = np.log(prices[traded] / self.prices[traded])
        self.prices[traded] = prices[traded]
        self.carried = np.where(traded, 0.0, 0.0 if first else self.carried + 1.0)
        if first:
            return
        fresh = ~self.stale
        decay = 0.5 ** (1.0 / HALF_LIFE_BARS)
        self.bar_variance[fresh] *= decay
        self.bar_variance[fresh] += (1.0 - decay) * returns[fresh] ** 2
        if fresh.all():
            self._raw.record(returns)
        else:
            self._record_part(returns, np.flatnonzero(fresh))

    def bar_volatility(self) -> NDArray[np.float64]:
        """Volatility of one-minute log returns, shape (n,)."""
        return np.sqrt(self.bar_variance)

    def hybrid(self) -> NDArray[np.float64]:
        """The live matrix of daily returns, shape (n, n)."""
        return hybrid(self.daily, self.bar_volatility(), overnight_factor=self.factor)

    def raw(self) -> NDArray[np.float64]:
        """The fast gauge, shape (n, n): per-bar EWMA scaled to a session. It decides nothing."""
        return self.raw_per_bar() * BARS_PER_DAY

    def raw_per_bar(self) -> NDArray[np.float64]:
        """The per-bar EWMA matrix itself, repaired where partial updates cost definiteness."""
        matrix = self._raw.matrix()
        if not self._raw_valid:
            matrix, _ = ewma.repaired(matrix)
            self._raw.replace(matrix)
            self._raw_valid = True
        return matrix

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """Everything the state consists of, for a live record; `restore` takes it back."""
        return {
            "daily": self.daily,
            "prices": self.prices,
            "factor": self.factor,
            "bar_variance": self.bar_variance,
            "carried": self.carried,
            "raw": self.raw_per_bar(),
        }

    def _record_part(self, returns: NDArray[np.float64], rows: NDArray[np.intp]) -> None:
        matrix = self._raw.matrix()
        inside = np.ix_(rows, rows)
        matrix[inside] = ewma.ewma_update(matrix[inside], returns[rows], RAW_DECAY)
        self._raw.replace(matrix)
        self._raw_valid = False


def restore(arrays: dict[str, NDArray[np.float64]]) -> LiveCovariance:
    """A live covariance from the arrays of a record. Raises KeyError when one is missing."""
    return LiveCovariance(
        arrays["daily"],
        arrays["prices"],
        arrays["factor"],
        bar_variance=arrays["bar_variance"],
        raw_covariance=arrays["raw"],
        carried=arrays["carried"],
    )
