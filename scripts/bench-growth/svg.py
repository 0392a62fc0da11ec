"""Small multiples of lines as SVG, in the colours of secateur's own plots, so that `secateur render` has their themes."""

import math
from html import escape

WIDTH, HEIGHT = 330, 220
LEFT, RIGHT, TOP, BOTTOM = 62, 18, 40, 48
COLUMNS = 3
INK, FAINT = "#222222", "#E4E4E4"


class Panel:
    """One chart: a title, axes and lines of points; logarithmic axes have ticks at what is given, or at powers."""

    def __init__(self, title, x, y, log=True, x_ticks=None):
        self.title, self.x, self.y, self.log, self.x_ticks = title, x, y, log, x_ticks
        self.lines = []

    def line(self, colour, points, label=None):
        if points:
            self.lines.append((colour, sorted(points), label))

    def draw(self, left, top):
        if not self.lines:
            return []
        xs = [x for _, points, _ in self.lines for x, _ in points]
        ys = [y for _, points, _ in self.lines for _, y in points]
        if self.log:
            low, high = min(ys), max(ys)
            x_range = (min(xs) / 1.1, max(xs) * 1.1)
            y_range = (low / 1.5, high * 1.5)
            x_ticks = self.x_ticks or decades(*x_range)
            y_ticks = decades(*y_range)
        else:
            x_ticks = self.x_ticks or steps(0, max(xs))
            x_range = (0, max(*x_ticks, *xs))
            y_ticks = steps(0, 1.1 * max(ys))
            y_range = (0, max(y_ticks))

        def place(value, span, start, length):
            if self.log:
                value, span = math.log(value), [math.log(end) for end in span]
            return start + length * (value - span[0]) / (span[1] - span[0])

        def at(x, y):
            return place(x, x_range, left, WIDTH), place(y, y_range, top + HEIGHT, -HEIGHT)

        out = [text(left, top - 14, self.title, weight="bold", size=14)]
        for tick in y_ticks:
            _, y = at(x_range[1], tick)
            out.append(rule(left, y, left + WIDTH, y))
            out.append(text(left - 6, y + 4, number(tick), anchor="end"))
        for tick in x_ticks:
            x, _ = at(tick, y_range[1])
            out.append(rule(x, top + HEIGHT, x, top + HEIGHT + 4, INK))
            out.append(text(x, top + HEIGHT + 18, number(tick), anchor="middle"))
        out.append(rule(left, top + HEIGHT, left + WIDTH, top + HEIGHT, INK))
        out.append(text(left + WIDTH / 2, top + HEIGHT + 38, self.x, anchor="middle"))
        middle = top + HEIGHT / 2
        out.append(text(left - 46, middle, self.y, anchor="middle", turn=(left - 46, middle)))
        labels = []
        for colour, points, label in self.lines:
            places = [at(x, y) for x, y in points]
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
            out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.8" fill="{colour}"/>' for x, y in places]
            if label:
                labels.append((colour, label))
        for index, (colour, label) in enumerate(labels):
            y = top + 14 + 16 * index
            out.append(f'<line x1="{left + 8}" y1="{y - 4}" x2="{left + 26}" y2="{y - 4}" stroke="{colour}" stroke-width="3"/>')
            out.append(text(left + 32, y, label, halo=True))
        return out


def decades(low, high):
    """Powers of ten between, or 1, 2, 5 times those where there are few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in [(1,), (1, 3), (1, 2, 5)]:
        ticks = [factor * 10**power for power in powers for factor in factors]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) >= 3:
            return ticks
    return ticks


def steps(low, high):
    """About five round numbers from low past high."""
    rough = (high - low) / 5
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    return [low + step * index for index in range(math.ceil((high - low) / step - 1e-9) + 1)]


def number(value):
    if value >= 1000 and value == round(value):
        return f"{value:,.0f}"
    return f"{value:.6g}"


def text(x, y, words, anchor="start", weight="normal", size=12, turn=None, halo=False):
    turned = f' transform="rotate(-90 {turn[0]:.1f} {turn[1]:.1f})"' if turn else ""
    behind = ' stroke="#FFFFFF" stroke-width="4" paint-order="stroke"' if halo else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" font-size="{size}" '
        f'fill="{INK}"{behind}{turned}>{escape(words)}</text>'
    )


def rule(x1, y1, x2, y2, colour=FAINT):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def picture(title, legend, panels):
    """All panels below a title and a legend of `(colour, name)`."""
    cell = (LEFT + WIDTH + RIGHT, TOP + HEIGHT + BOTTOM)
    width = COLUMNS * cell[0]
    head = 62
    height = head + math.ceil(len(panels) / COLUMNS) * cell[1]
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="plot" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="Helvetica, Arial, sans-serif">',
        f'<rect width="{width}" height="{height}" fill="#FFFFFF"/>',
        text(16, 26, title, weight="bold", size=16),
    ]
    x = 16
    for colour, name in legend:
        out.append(f'<line x1="{x}" y1="46" x2="{x + 22}" y2="46" stroke="{colour}" stroke-width="3"/>')
        out.append(text(x + 28, 50, name))
        x += 48 + 7 * len(name)
    for index, panel in enumerate(panels):
        out += panel.draw(LEFT + index % COLUMNS * cell[0], head + TOP + index // COLUMNS * cell[1])
    return "\n".join(out) + "\n</svg>\n"
