# ruff: noqa
"""Synthetic chest CT with exact lesion masks: first painter, being rewritten into the files beside it.

    vol, spacing, mask, truth = make(seed=1, lesion="spiculated", hospital="A")   # vol int16 HU (slice, row, column)

Patient space in mm: x to the image's right (patient's left), y to the back, z to the head; z = 0 is the top of the
right diaphragm.  Everything solid is painted by `paint` with its covered fraction of a voxel (analytic partial
volume), in this order: body wall slice by slice, mediastinum, lung texture, lesions, airways, vessels; then the scanner.
"""

import numpy as np
from numpy import clip, exp, hypot
from scipy import fft as sfft
from scipy import ndimage as ndi

LESIONS = ("normal", "smooth", "spiculated", "ground_glass", "consolidation", "cavity")
# fov mm, slice thickness mm, kernel, noise sd in soft tissue HU, padding, table, share with contrast
HOSPITALS = {
    "A": dict(fov=360, thick=5.0, kernel="soft", noise=11, pad=-2000, table=0, contrast=0.0),
    "B": dict(fov=340, thick=2.5, kernel="sharp", noise=26, pad=-1024, table=1, contrast=0.15),
    "C": dict(fov=400, thick=3.0, kernel="soft", noise=18, pad=-3024, table=2, contrast=0.8),
    "screening": dict(fov=350, thick=1.5, kernel="medium", noise=38, pad=-2000, table=1, contrast=0.0),
}
# psf sigma mm, edge boost, peak of the noise power spectrum (1/mm)
KERNELS = {"soft": (0.75, 0.0, 0.20), "medium": (0.60, 0.15, 0.30), "sharp": (0.42, 0.65, 0.50)}


def grf(rng, shape, spacing, scale, beta=3.0):
    """Gaussian random field, unit variance, power ~ 1/(f0^2+f^2)^(beta/2), f0 = 1/scale mm."""
    f2 = sum(
        np.square(f).reshape([-1 if j == i else 1 for j in range(len(shape))])
        for i, f in enumerate(
            (sfft.rfftfreq if i == len(shape) - 1 else sfft.fftfreq)(n, s)
            for i, (n, s) in enumerate(zip(shape, spacing))
        )
    )
    spec = sfft.rfftn(rng.standard_normal(shape, dtype=np.float32)) * (f2 + scale**-2.0).astype(np.float32) ** (
        -beta / 4
    )
    out = sfft.irfftn(spec, shape)
    return (out - out.mean()) / out.std()


def up(field, shape):
    """Linear interpolation to a finer grid, one axis at a time."""
    out = field.astype(np.float32)
    for ax, n in enumerate(shape):
        pos = clip((np.arange(n) + 0.5) * out.shape[ax] / n - 0.5, 0, out.shape[ax] - 1)
        i = np.minimum(pos.astype(int), max(out.shape[ax] - 2, 0))
        w = (pos - i).astype(np.float32).reshape([-1 if a == ax else 1 for a in range(3)])
        lo = out.take(i, ax)
        out = lo + (out.take(np.minimum(i + 1, out.shape[ax] - 1), ax) - lo) * w
    return out


def superell(X, Y, a, b, p):
    """Distance along the ray to a super-ellipse (negative inside)."""
    f = ((np.abs(X) / a) ** p + (np.abs(Y) / b) ** p) ** (1 / p) + 1e-6
    return hypot(X, Y) * (1 - 1 / f)


def smin(a, b, k):
    h = clip(0.5 + 0.5 * (b - a) / k, 0, 1)
    return b + (a - b) * h - k * h * (1 - h)


class Scan:
    """A fine grid: columns and rows of `px` mm, slices of `dz` mm (already split for thick slices)."""

    def __init__(s, n, nz, px, dz, z0):
        s.n, s.nz, s.px, s.dz, s.z0 = n, nz, px, dz, z0
        s.x = ((np.arange(n) - n / 2 + 0.5) * px).astype(np.float32)
        s.z = (z0 + np.arange(nz) * dz).astype(np.float32)
        s.Y, s.X = np.meshgrid(s.x, s.x, indexing="ij")
        s.hu = np.full((nz, n, n), -1000, np.float32)
        s.lung = np.zeros((nz, n, n), np.float32)

    def cover(s, d):
        return clip(0.5 - d / s.px, 0, 1)

    def box(s, lo, hi):
        i = [np.searchsorted(ax, (l, h)) for ax, l, h in zip((s.z, s.x, s.x), lo[::-1], hi[::-1])]
        sl = tuple(slice(a, b) for a, b in i)
        return sl, s.x[None, None, sl[2]], s.x[None, sl[1], None], s.z[sl[0], None, None]

    def blob(s, c, r, value, rot=None, sharp=None, warp=None, keep_lung=False):
        """Paint an ellipsoid: centre c, radii r, optional rotation and boundary warp (mm field)."""
        c, r = np.asarray(c, float), np.asarray(r, float)
        m = r.max() * 1.15 + 6
        sl, x, y, z = s.box(c - m, c + m)
        q = np.stack(np.broadcast_arrays(x - c[0], y - c[1], z - c[2])).astype(np.float32)
        if rot is not None:
            q = np.einsum("ij,jabc->iabc", rot.astype(np.float32), q)
        f = np.sqrt(sum((q[i] / r[i]) ** 2 for i in range(3))) + 1e-6
        d = np.sqrt((q**2).sum(0)) * (1 - 1 / f)
        if warp is not None:
            d = d + warp[sl]
        cov = clip(0.5 - d / (sharp or s.px), 0, 1)
        s.paint(sl, cov, value, keep_lung)
        return sl, cov

    def paint(s, sl, cov, value, keep_lung=False):
        s.hu[sl] += cov * (value - s.hu[sl])
        if not keep_lung:
            s.lung[sl] *= 1 - cov

    def tube(s, pts, r, value, wall=None, keep_lung=False):
        """Paint a polyline of spheres-swept capsules; r scalar or per point; wall=(mm, HU) paints a wall first."""
        pts, r = np.asarray(pts, float), np.broadcast_to(np.asarray(r, float), len(pts))
        extra = wall[0] if wall else 0
        m = r.max() + extra + 2 * max(s.px, 1)
        sl, x, y, z = s.box(pts.min(0) - m, pts.max(0) + m)
        if min(k.stop - k.start for k in sl) <= 0:
            return
        d = np.full(np.broadcast_shapes(x.shape, y.shape, z.shape), 1e3, np.float32)
        for a, b, ra, rb in zip(pts[:-1], pts[1:], r[:-1], r[1:]):
            ab = b - a
            t = clip(((x - a[0]) * ab[0] + (y - a[1]) * ab[1] + (z - a[2]) * ab[2]) / (ab @ ab + 1e-9), 0, 1)
            dd = np.sqrt((x - a[0] - t * ab[0]) ** 2 + (y - a[1] - t * ab[1]) ** 2 + (z - a[2] - t * ab[2]) ** 2)
            np.minimum(d, dd - (ra + t * (rb - ra)), out=d)
        if wall:
            s.paint(sl, s.cover(d - extra), wall[1], keep_lung)
        s.paint(sl, s.cover(d), value, keep_lung)

    def splat(s, P, r, step):
        """Covered fraction by many thin tubes given as points every `step` mm: trilinear, mass-conserving."""
        w = np.pi * r**2 * step / (s.px**2 * s.dz)
        g = np.stack([(P[:, 2] - s.z0) / s.dz, (P[:, 1] - s.x[0]) / s.px, (P[:, 0] - s.x[0]) / s.px]).astype(np.float32)
        i0 = np.floor(g).astype(np.int32)
        ok = ((i0 >= 0) & (i0 < np.array(s.hu.shape)[:, None] - 1)).all(0)
        i0, fr, w = i0[:, ok], (g - i0)[:, ok], w[ok].astype(np.float32)
        base = (i0[0] * s.n + i0[1]) * s.n + i0[2]
        acc = 0
        for a in (0, 1):
            for b in (0, 1):
                wab = w * (fr[0] if a else 1 - fr[0]) * (fr[1] if b else 1 - fr[1])
                for c in (0, 1):
                    acc = acc + np.bincount(
                        base + (a * s.n + b) * s.n + c, wab * (fr[2] if c else 1 - fr[2]), s.hu.size
                    )
        return clip(acc, 0, 1).reshape(s.hu.shape).astype(np.float32)


def patient(rng):
    """One person: sizes in mm, habitus, sex, HU offsets."""
    female = rng.random() < 0.5
    k = rng.normal(0.94 if female else 1.02, 0.04)
    fat = float(clip(rng.lognormal(np.log(17 if female else 13), 0.45), 5, 42))
    return dict(
        female=bool(female),
        k=k,
        A=124 * k * rng.normal(1, 0.03),
        B=88 * k * rng.normal(1, 0.05) + fat * 0.12,
        fat=fat,
        muscle=float(rng.normal(0.9 if female else 1.15, 0.12)),
        apex=178 * k * rng.normal(1, 0.03),
        age=int(rng.integers(28, 86)),
        heart=rng.normal(1, 0.07),
        lung=rng.normal(-862, 14),
        grav=rng.uniform(45, 100),
        tilt=rng.normal(0, 3),
        dome=rng.normal(0, 6),
        fat_in=clip(fat / 16, 0.5, 1.8),
    )


def prof(p, z):
    t = clip((z / p["apex"] - 0.12) / 0.88, 0, 1)
    return max(1 - t**2.7, 0.0) ** 0.5


def body(s, p, rng, contrast):
    """Slice by slice: outline, fat, muscle, ribs, spine, sternum, scapulae, clavicles, cavity, diaphragm, abdomen."""
    X, Y = s.X, s.Y
    n2 = s.n // 2
    low = up(grf(rng, (s.nz // 2 + 1, n2, n2), (s.dz * 2, s.px * 2, s.px * 2), 28, 5.5), s.hu.shape)
    mid = up(grf(rng, (s.nz // 2 + 1, n2, n2), (s.dz * 2, s.px * 2, s.px * 2), 8, 3.4), s.hu.shape)
    phi = np.arctan2(np.abs(X), Y)  # 0 at the spine, pi at the sternum
    ribs = [(p["apex"] * 0.93 - i * 23 * p["k"] + rng.normal(0, 1.5)) for i in range(12)]
    bone = 168 - 1.4 * (p["age"] - 50) + rng.normal(0, 22)
    gas = rng.uniform(-75, -22)  # level of the stomach's gas
    gl = rng.uniform(0.1, 0.9)  # glandular share of a breast
    fv, mv, lv, sv = -104, 52 + (12 if contrast else 0), 58 + (45 if contrast else 0), 50 + (55 if contrast else 0)
    s.low, s.mid, s.p = low, mid, p
    for iz, z in enumerate(s.z):
        q = prof(p, z)
        L, M = low[iz], mid[iz]
        A, B = p["A"] * (0.40 + 0.60 * q), p["B"] * (0.52 + 0.48 * q)
        cy = 10 * (1 - q)
        rc = superell(X, Y - cy, A, B, 2.35) + 1.2 * L  # rib cage, inner surface
        top = 1 - q
        m_t = p["muscle"] * (
            3.5
            + 25 * exp(-((phi / 0.40) ** 2))
            + 13 * exp(-(((phi - 1.05) / 0.38) ** 2)) * (0.4 + 0.6 * clip(z / 120, 0, 1))
            + 17 * exp(-(((phi - 2.45) / 0.36) ** 2)) * exp(-(((z / p["apex"] - 0.62) / 0.24) ** 2))
            + 60 * top * exp(-(((phi - 1.5) / 0.75) ** 2))
        )
        fat = p["fat"] * (0.75 + 0.35 * np.cos(phi) * -1 + 0.25 * (z < 60)) + 3
        Ab, Bb = (
            p["A"] + 13 + 14 * p["muscle"] + p["fat"] + 8 * top,
            p["B"] * (1 - 0.10 * top) + 11 + 10 * p["muscle"] + p["fat"] * 0.8,
        )
        out = superell(X - p["tilt"] * 0.3, Y - 6 - 4 * top, Ab, Bb, 2.45) + 1.5 * L
        out = -smin(-out, -(Y - (p["B"] + 26 + p["fat"] * 0.45)), 12)  # lies flat on the table
        if p["female"]:
            br = np.sqrt(
                ((np.abs(X) - 72) / (58 + p["fat"] * 0.4)) ** 2
                + ((Y + B + 18) / (24 + p["fat"])) ** 2
                + ((z - 62) / 52) ** 2
            )
            br = (br - 1) * 30
            out = smin(out, br, 14)
        h = np.full(X.shape, -1000, np.float32)

        def put(d, v, w=None):
            c = s.cover(d) if w is None else clip(0.5 - d / w, 0, 1)
            h[:] += c * (v - h)

        put(out, 15)  # skin
        put(out + 2, fv + 5 * M + 4 * L)
        if p["female"]:
            g = clip((M + 0.6 * L - 1.2 + gl) * 1.1, 0, 1) * s.cover(br + 9) * s.cover(-(rc - 26))
            h += g * (35 - h)
        mus = np.maximum(rc - 10 - m_t + 0.9 * M + 2.2 * L, out + 3 + 0.45 * fat)
        put(mus, mv + 5 * M, 2 * s.px)
        seam = exp(-(((rc - 11.5 - 0.55 * m_t + 2 * L) / 1.1) ** 2)) * (phi > 0.6) + exp(
            -(((rc - 11.2 + L) / 1.0) ** 2)
        )
        marb = clip(0.55 - np.abs(M + 0.3 * L) * 4.5, 0, 1) * (0.45 + 0.2 * p["fat"] / 15)
        h += s.cover(mus + 2) * np.maximum(seam * 0.8, marb) * (fv + 15 - h) * (rc > 10)
        ax = hypot(np.abs(X) - A - 30, (Y - cy - 4) * 0.8) - 26 * top * (1.1 + 0.2 * L)  # axilla
        h += clip(0.5 - ax / 5, 0, 1) * (top > 0.15) * s.cover(out + 14) * (fv + 8 * M + clip(M - 1.2, 0, 1) * 120 - h)
        put(rc - 10, mv - 8 + 6 * M)  # intercostal muscle
        core = rc - 1.5 if z < p["apex"] - 6 else (hypot(X / 36, (Y - 2) / 46) - 1) * 36 + 3 * L
        put(core, fv + 5 * M)  # extrapleural fat, then all that is in the rib cage
        if top > 0.2:  # above the apices: scalene and neck muscle, fat planes
            nk = s.cover(rc + 1) * clip((top - 0.2) * 4, 0, 1) * clip((np.abs(X) - 24 - 5 * L) / 4, 0, 1)
            h += nk * (mv + 5 * M - (mv - fv) * clip(0.8 - np.abs(L - 0.5) * 3, 0, 0.9) - h)
        # spine: body, canal, pedicles and processes; discs every 24 mm
        ys, sc = 44 * p["k"] + 6 * top + 0.0006 * (z - 60) ** 2 * 0.6, p["k"] * (1 - 0.12 * z / 180)
        u = (z / (23 * p["k"])) % 1
        vb = superell(X, Y - ys, 18.5 * sc * (1 - 0.08 * np.sin(np.pi * u)), 14.5 * sc, 2.3) + 0.4 * M
        psm = (hypot((np.abs(X) - 24) / 24, (Y - ys - 33) / 19) - 1) * 19
        put(np.maximum(psm, out + 6), mv + 4 * M, 3)
        disc = clip((0.14 - min(u, 1 - u)) * 10, 0, 1)
        tp = np.maximum(np.abs(Y - ys - 19 - 0.18 * np.abs(X)) - 4, np.abs(X) - (33 if 0.3 < u < 0.75 else 15) * sc)
        lam = np.maximum(np.abs(Y - ys - 33 * sc + 0.95 * np.abs(X)) - 4.2, np.abs(X) - 15 * sc)
        sp = np.maximum(np.maximum(np.abs(X + 0.6 * L) - 3, ys + 30 - Y), Y - ys - (54 if 0.15 < u < 0.8 else 38))
        post = np.minimum(np.minimum(tp, lam), sp)
        for d, th in ((post, 1.6), (vb, 1.5)):
            put(d, 95 * disc + (1 - disc) * 560 if d is vb else 480)
            put(
                d + th,
                (
                    95 * disc
                    + (1 - disc) * (bone + 32 * M + 15 * L + 260 * (abs(u - 0.16) < 0.035 or abs(u - 0.84) < 0.035))
                )
                if d is vb
                else bone + 90 + 40 * M,
            )
        can = hypot(X / 10.5, (Y - ys - 21 * sc) / 9) - 1
        put(can * 9, -30)
        put(can * 9 + 2.2, 32)
        # ribs: each a tilted loop whose height falls from the spine to the side; cartilage in front
        fall = 88 * np.sin(clip(phi, 0, 2.5) * 0.62) ** 1.2 - 30 * clip(phi - 2.45, 0, 1)
        for i, z0 in enumerate(ribs):
            dz_ = z - (z0 - fall * (1 if i > 1 else 0.55)) + 1.5 * L
            if np.abs(dz_).min() > 8:
                continue
            dr = (hypot((rc - 5.4) / 3.9, dz_ / (5.6 if i > 1 else 4.5)) - 1) * 3.9
            dr = np.maximum(dr, (np.abs(X) < 21) * 9.0)
            cart = clip((phi - 2.42) * 12, 0, 1)
            put(dr, (1 - cart) * 640 + cart * 115)
            put(dr + 1.2, (1 - cart) * (bone + 10 + 40 * M) + cart * (92 + 10 * M))
        if z < p["apex"] * 0.82:  # sternum
            w = 17 + 10 * (z > p["apex"] * 0.66) - 4 * (z < 30)
            st = superell(X - 0.4 * p["tilt"], Y + B - cy + 5.5, w, 6.2, 3) + 0.3 * M
            put(st, 420)
            put(st + 1.4, bone - 60 + 35 * M)
        f = z / p["apex"]
        if 0.38 < f < 1.1:  # scapulae: blade, spine, glenoid above
            sx, sy = np.abs(X) - (A + 24 + 16 * top), Y - cy - (0.50 * B + 4)
            a = 0.95 - 0.35 * (f - 0.4)
            uu, vv = sx * np.cos(a) - sy * np.sin(a), sx * np.sin(a) + sy * np.cos(a)
            ln = 34 * np.sin(np.pi * clip((f - 0.36) / 0.8, 0, 1)) ** 0.6
            bl = np.maximum(np.abs(vv + 0.006 * uu**2) - 1.6 - 2.0 * exp(-(((uu + ln) / 6) ** 2)), np.abs(uu) - ln)
            if f > 0.72:
                bl = np.minimum(bl, np.maximum(np.abs(uu * 0.5 - vv + 10) - 2.5, hypot(uu, vv) - 30))
            if f > 0.82:
                bl = np.minimum(bl, hypot(uu - 32, vv + 2) - 12)
            put(np.maximum(bl, out + 6), 560)
            put(np.maximum(bl + 1.6, out + 8), bone + 40 * M)
        if f > 0.84:  # clavicles
            cz = p["apex"] * 0.88 + 0.42 * (np.abs(X) - 15)
            cl = (hypot((z - cz) / 6, (Y + B * 0.78 - 0.42 * np.abs(X) + 8) / 5.5) - 1) * 5.5
            cl = np.maximum(np.maximum(cl, 14 - np.abs(X)), np.abs(X) - 125)
            put(np.maximum(cl, out + 7), 650)
            put(np.maximum(cl + 2, out + 9), bone + 50 * M)
        # pleural cavities
        ca, cb = (62 * q + 1) * p["A"] / 124, p["B"] * (0.55 * q + 0.43 * q**0.6)
        cxl = (60 - 20 * top) * p["A"] / 124
        lu = np.maximum(superell(np.abs(X) - cxl, Y - 3 - 12 * top, ca, cb + 0.1, 2.1), rc + 0.6)
        wmed = (
            4 + 12 * exp(-(((Y + 74) / 14) ** 2)) + 21 * exp(-(((Y - 8) / 34) ** 2)) * (0.55 + 0.45 * (z > 40)) + 2 * L
        )
        med = np.minimum(np.abs(X) - wmed, np.minimum(vb - 3, hypot(X, Y - ys - 20) - 27))
        lu = -smin(-lu, med, 7)
        dome = (
            np.where(X < 0, p["dome"], p["dome"] - 13)
            - 66 * (((np.abs(X) - 50) / 70) ** 2 + ((Y + 26) / np.where(Y < -26, 92, 100)) ** 2) ** 1.3
            + 0.5 * L
        )
        under = (dome - z) * 0.45  # > 0 below the diaphragm
        inside = s.cover(np.maximum(-under, rc + 2))
        if inside.any():
            tex = lv + 6 * M + 4 * L
            liver = np.where(32 - 0.25 * z > X + 0.55 * Y, tex, fv + 6 * M)
            spl = hypot((X - 78) / 38, (Y - 38) / 42) - 1 + 0.04 * L
            stm = hypot((X - 48) / 42, (Y + 18) / 38) - 1 + 0.05 * L
            liver = np.where(stm < 0, np.where(gas > Y, -900, 30 + 18 * clip(M + L, -1, 2)), liver)
            liver = np.where((stm < 0) & (stm > -0.1), 42, np.where(spl < 0, sv + 4 * M, liver))
            ring = clip(1 - np.abs(under - 1.5) / 1.5, 0, 1)  # muscle of the diaphragm
            h += inside * (liver * (1 - ring) + 45 * ring - h)
            h += s.cover(vb) * ((1 - disc) * (bone + 32 * M) + disc * 95 - h)
        lc = s.cover(np.maximum(lu, under))
        if q > 0.03:
            h += lc * (-860 - h)
            s.lung[iz] = lc
        s.hu[iz] = h
        if iz == s.nz // 2:
            s.back = float(Y[:, s.n // 2][out[:, s.n // 2] < 0].max())


def mediastinum(s, p, rng, contrast):
    k, hz = p["k"], p["apex"] / 178
    P = lambda *a: np.array(a, float) * [k, k, hz]
    blood = 44 + rng.normal(0, 4)
    left, right = (rng.uniform(220, 420), rng.uniform(140, 380)) if contrast else (blood, blood)
    myo = 50 + (55 if contrast else 0)
    j = lambda v: np.asarray(v) + rng.normal(0, 1.5, 3)
    ax = np.array([0.66, -0.52, -0.54])
    ax /= np.linalg.norm(ax)
    e2 = np.cross(ax, [0, 0, 1])
    e2 /= np.linalg.norm(e2)
    rot = np.stack([ax, e2, np.cross(ax, e2)])
    H, c = 58 * p["heart"] * k, j(P(20, -30, 36))
    warp = 1.6 * s.low + 0.25 * s.mid
    s.blob(c, (H * 1.13, H * 0.93, H * 0.90), -98, rot, warp=warp * 1.6)  # pericardial fat
    s.blob(c + ax * 2, (H * 1.0, H * 0.78, H * 0.76), myo, rot, warp=warp * 0.8)
    s.blob(c + [4, 6, 2], (H * 0.72, H * 0.46, H * 0.44), left, rot, warp=warp * 0.6)
    for at, r, v in (
        (P(-4, -48, 36), (34, 22, 34), right),
        (P(-30, -20, 40), (22, 25, 33), right),
        (P(2, 10, 62), (32, 17, 21), left),
    ):
        s.blob(j(at), np.array(r) * k, v, warp=warp)
    bez = lambda *pts: np.array(
        [
            sum(w * q for w, q in zip(ww, pts))
            for ww in [((1 - t) ** 2, 2 * t * (1 - t), t**2) for t in np.linspace(0, 1, 9)]
        ]
    )
    ao = rng.normal(1, 0.08) * (1 + 0.004 * (p["age"] - 50))
    asc, arch = P(-14, -24, 96), P(4, -2, 158)
    desc = P(23, 37, 96)
    tubes = [
        ([P(4, -16, 66), asc, P(-12, -20, 112)], 15.5 * k * ao, left),
        (bez(P(-12, -20, 112), arch, P(22, 35, 112)), 13.5 * k * ao, left),
        ([P(22, 35, 112), desc, P(20, 38, 50), P(12, 34, -60)], 12.2 * k * ao, left),
        ([P(14, -44, 66), P(16, -30, 90)], 14 * k, right),
        (bez(P(16, -30, 90), P(-8, -4, 92), P(-46, 6, 80)), 10 * k, right),
        (bez(P(16, -30, 90), P(28, -8, 100), P(46, 12, 90)), 10.5 * k, right),
        ([P(-27, -20, 58), P(-28, -22, 150)], 8.5 * k, right),
        (bez(P(-28, -22, 146), P(0, -36, 140), P(34, -28, 165)), 6 * k, right),
        ([P(-28, -22, 150), P(-34, -16, 190)], 7 * k, right),
        ([P(-6, -8, 134), P(-20, -4, 190)], 5.5 * k, left),
        ([P(6, 0, 134), P(14, 2, 190)], 3.8 * k, left),
        ([P(16, 12, 132), P(30, 6, 190)], 4.6 * k, left),
        ([P(-24, 4, 12), P(-24, -8, -60)], 11 * k, right),
        (bez(P(-22, 12, 56), P(-40, 20, 52), P(-50, 24, 44)), 6 * k, left),
        (bez(P(22, 14, 60), P(40, 22, 56), P(48, 26, 46)), 6 * k, left),
        ([P(-10, 34, -50), P(-9, 33, 110)], 3.2 * k, right),
    ]
    for pts, r, v in tubes:
        s.tube(pts, r, v, wall=(1.2, 45))
    es = [P(4, 26, 190), P(6, 27, 110), P(4, 25, 60), P(14, 18, -5), P(24, 10, -50)]
    s.tube(es, 7 * k, 45)
    if rng.random() < 0.6:
        s.tube([es[1], es[1] + [0, -1, rng.uniform(-30, 30)]], 2.6, -650)
    for _ in range(7):
        s.blob(P(rng.normal(-4, 18), rng.normal(2, 14), rng.uniform(75, 130)), rng.uniform(2, 5, 3), 42)  # nodes
    s.hil = {0: P(-34, 10, 80), 1: P(38, 13, 84)}
    tr = [P(1, 6, 195), P(-1, 10, 150), P(-2, 13, 106)]
    air = [
        (tr, 8.6 * k),
        ([tr[2], P(-22, 15, 90), s.hil[0] + [-4, 2, -4]], 6.8 * k),
        ([tr[2], P(20, 17, 90), s.hil[1] + [2, 3, -5]], 5.8 * k),
    ]
    for pts, r in air:
        s.tube(pts, r, -980 + rng.normal(0, 4), wall=(1.6, 35))
    s.air = air


def fissures(s, p, x, y, z, low=0.0):
    """Signed mm to the oblique fissure (below it: lower lobe) and, on the right, the horizontal one."""
    wav = (
        6 * np.sin(x / 29 + y / 50 + p["k"] * 40)
        + 4 * np.sin(z / 31 + y / 37)
        + 0.004 * (np.abs(x) - 60) ** 2
        + 4 * low
    )
    return (z - 62 - 0.95 * y + wav) / 1.38, z - 74 - 0.12 * y + 5 * np.sin(y / 37) + 0.0015 * (x + 60) ** 2 + 3 * low


def tree(rng, root, d0, pts, r_leaf):
    """Volume-filling bifurcating tree, all groups of a level at once: each group of target points grows a branch part
    of the way to its centroid and is halved across its widest axis.  r = r_leaf * leaves^(1/3): r0^3 = r1^3 + r2^3."""
    g, N = np.zeros(len(pts), int), 1
    start, dirs, out = np.array([root]), np.array([d0]), []
    for level in range(24):
        n = np.bincount(g, minlength=N)
        cen = np.stack([np.bincount(g, pts[:, i], N) for i in range(3)], 1) / np.maximum(n, 1)[:, None]
        leaf = n == 1
        end = start + (cen - start) * np.where(leaf, 1.0, 0.30 if level == 0 else 0.42)[:, None]
        end += rng.normal(0, 0.03, end.shape) * np.linalg.norm(end - start, axis=1, keepdims=True)
        ln = np.linalg.norm(end - start, axis=1, keepdims=True)
        ctrl = start + dirs * ln * 0.22 + (end - start) * 0.26
        ok = n > 0
        out.append(np.concatenate([start, ctrl, end, n[:, None]], 1)[ok])
        nd = end - ctrl
        nd /= np.linalg.norm(nd, axis=1, keepdims=True) + 1e-9
        go = n[g] > 1
        pts, g = pts[go], g[go]
        if not len(pts):
            break
        R = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        loc = (pts - cen[g]) @ R
        var = np.stack([np.bincount(g, loc[:, i] ** 2, N) for i in range(3)], 1)
        gg = g * 2 + (
            loc[np.arange(len(g)), var.argmax(1)[g]]
            > (rng.normal(0, 0.55, N) * np.sqrt(var.max(1) / np.maximum(n, 1)))[g]
        )
        u, g = np.unique(gg, return_inverse=True)
        start, dirs, N = end[u // 2], nd[u // 2], len(u)
    b = np.concatenate(out)
    return b[:, :3], b[:, 3:6], b[:, 6:9], r_leaf * np.cbrt(b[:, 9])


def lungs(s, p, rng, lrng, contrast, lesion):
    full = s.lung
    n2 = (s.nz, s.n // 2, s.n // 2)
    sp2 = (s.dz, s.px * 2, s.px * 2)
    tex = 13 * up(grf(rng, n2, sp2, 12, 2.6), full.shape) + 10 * up(grf(rng, n2, sp2, 60, 3.5), full.shape)
    dep = clip((s.x + 75) / 150, 0, 1.15) ** 1.5
    par = p["lung"] + tex + p["grav"] * dep[None, :, None] * (1 + 0.25 * clip((60 - s.z) / 90, 0, 1))[:, None, None]
    ob, ho = fissures(s, p, s.x[None, None], s.x[None, :, None], s.z[:, None, None])
    right = s.x[None, None] < 0
    fis = exp(-((ob / 0.8) ** 2)) + exp(-((ho / 0.8) ** 2)) * (right & (ob > 0))
    par += rng.uniform(35, 90) * clip(fis + 0.25 * tex / 13 * fis, 0, 1)
    solid = full > 0.5
    depth = ndi.distance_transform_edt(solid[:, ::2, ::2], sampling=sp2).astype(np.float32)
    # where vessels go: scattered points in each lobe, away from fissures and the pleura
    zz, yy, xx = np.nonzero(depth > 3.0)
    cand = np.stack([s.x[xx * 2], s.x[yy * 2], s.z[zz]], 1)
    lesion_info, par = place(s, p, lrng, lesion, depth, par)
    trees = {"art": [], "vein": []}
    o, hh = fissures(s, p, *cand.T)
    for sd in (0, 1):
        mine = (cand[:, 0] < 0) == (sd == 0)
        lobe = np.where(o < 0, 0, np.where((hh < 0) & (sd == 0), 1, 2))
        for lb in (0, 1, 2):
            sel = cand[mine & (lobe == lb) & (np.abs(o) > 3)]
            if len(sel) < 200:
                continue
            vol = len(sel) * s.dz * (2 * s.px) ** 2 / 1e6  # litres
            for kind, dens, off in (("art", 1900, (0, 0, 0)), ("vein", 1400, (0, 7, -18))):
                pts = sel[rng.integers(0, len(sel), int(dens * vol))] + rng.normal(0, 1.5, (int(dens * vol), 3))
                root = s.hil[sd] + np.array(off) + [0, 0, (-6, -2, 6)[lb]]
                trees[kind].append(tree(rng, root, np.array([(-1, 1)[sd] * 0.8, 0.1, (-0.5, 0, 0.5)[lb]]), pts, 0.45))
    inl = full.copy()
    s.hu += inl * (par - s.hu) * (s.lung > 0)
    solid_lesion(s, p, lrng, lesion_info, "before")
    t = np.linspace(0, 1, 7)[:, None, None]
    vv = {"art": 46, "vein": 46} if not contrast else {"art": 250, "vein": 260}
    thin_P, thin_r, thin_s = [], [], []
    for kind, group in trees.items():
        for a, c, b, r in group:
            curve = (1 - t) ** 2 * a + 2 * t * (1 - t) * c + t**2 * b
            big = r > 1.25 * s.px
            for i in np.flatnonzero(big):
                s.tube(curve[:, i], r[i], vv[kind], keep_lung=True)
            sm = curve[:, ~big]
            L = np.linalg.norm(np.diff(sm, axis=0), axis=2).sum(0)
            m = max(4, int(np.percentile(L, 98) / (0.9 * s.px)))
            tt = ((np.arange(m) + 0.5) / m)[:, None, None]
            q = (1 - tt) ** 2 * a[~big] + 2 * tt * (1 - tt) * c[~big] + tt**2 * b[~big]
            thin_P.append(q.reshape(-1, 3))
            thin_r.append(np.tile(r[~big], m))
            thin_s.append(np.tile(L / m, m))
            if kind == "art":  # bronchus beside its artery
                near = (
                    np.array([0.25 * (1, -1)[int(a[0, 0] > 0)], -0.45, 0.86]) * 1.25
                )  # on one side, so that it stays one pipe
                for i in np.flatnonzero(r > 1.35):
                    rb = 0.66 * r[i]
                    s.tube(
                        curve[:, i] + near * r[i],
                        rb,
                        max(-930, -1000 + 90 * s.px / rb),
                        wall=(max(0.22 * rb, 0.35), -420 if rb < 1.6 else -150),
                        keep_lung=True,
                    )
    cov = s.splat(np.concatenate(thin_P), np.concatenate(thin_r), np.concatenate(thin_s)) * inl
    cov *= 1 - lesion_info.get("mute", 0)
    s.hu += cov * (np.maximum(vv["art"] - 10, s.hu) - s.hu)
    solid_lesion(s, p, lrng, lesion_info, "after")
    return lesion_info


def lumpy(rng, q, R, amp, k=14, kap=6):
    """Distance to a star-shaped surface: radius R (1 + smooth bumps), q = (3, ...) offsets in mm."""
    rr = np.sqrt((q**2).sum(0)) + 1e-3
    bump = 0
    for _ in range(k):
        u = rng.normal(size=3)
        u /= np.linalg.norm(u)
        bump = bump + rng.normal(0, amp) * exp(kap * (np.tensordot(u, q, 1) / rr - 1))
    return rr - R * (1 + bump)


def place(s, p, rng, kind, depth, par):
    """Choose the spot, return the recipe; ground glass is painted into the parenchyma before the vessels."""
    info = dict(kind=kind, cov=np.zeros(s.hu.shape, np.float32))
    if kind == "normal":
        return info, par
    R = dict(
        smooth=rng.uniform(4, 11),
        spiculated=rng.uniform(6, 14),
        ground_glass=rng.uniform(9, 24),
        consolidation=rng.uniform(20, 38),
        cavity=rng.uniform(11, 22),
    )[kind]
    lo, hi = (4, 14) if kind == "consolidation" else (R * 0.75 + 3, R + 30)
    m = (depth > lo) & (depth < hi)
    keep = s.nz // 3 if s.slab else 3
    m[:keep] = m[-keep:] = False
    m = m if m.any() else depth > 0.7 * depth.max()
    zz, yy, xx = np.nonzero(m)
    i = rng.integers(len(zz))
    c = np.array([s.x[xx[i] * 2], s.x[yy[i] * 2], s.z[zz[i]]])
    ext = R * (3.0 if kind == "spiculated" else 1.6) + 8
    sl, x, y, z = s.box(c - ext, c + ext)
    q = np.stack(np.broadcast_arrays(x - c[0], y - c[1], z - c[2])).astype(np.float32)
    info.update(R=float(R), centre=c, sl=sl, q=q)
    if kind == "ground_glass":
        d = (
            lumpy(rng, q * np.array([1, 1.1, 0.95], np.float32)[:, None, None, None], R, 0.22)
            + 2.2 * s.mid[sl]
            + 1.5 * s.low[sl]
        )
        w = clip(0.5 - d / rng.uniform(4, 8), 0, 1) * (s.lung[sl] > 0.5)
        level = rng.uniform(-660, -520)
        par[sl] += w * (level + 26 * s.mid[sl] - par[sl]) * clip(0.9 + 0.12 * s.mid[sl], 0.5, 1)
        info.update(level=float(level))
        info["cov"][sl] = w
    return info, par


def solid_lesion(s, p, rng, info, when):
    kind = info["kind"]
    if kind in ("normal", "ground_glass") or (when == "before") != (kind == "consolidation"):
        return
    sl, q, R, c = info["sl"], info["q"], info["R"], info["centre"]
    lung, mid, low = s.lung[sl], s.mid[sl], s.low[sl]
    hu = rng.uniform(22, 58)
    if kind == "consolidation":
        d = lumpy(rng, q, R, 0.28) + 4 * low + 2.5 * mid
        cov = clip(0.5 - d / 5, 0, 1) * lung
        halo = clip(0.5 - d / 26, 0, 1) * lung * 0.55
        s.hu[sl] += np.maximum(halo - cov, 0) * (-560 - s.hu[sl])
        s.hu[sl] += cov * (hu - 6 + 9 * mid - s.hu[sl])
        mute = np.zeros(s.hu.shape, np.float32)
        mute[sl] = cov
        hil = s.hil[int(c[0] > 0)]
        pts = c + rng.normal(0, R * 0.45, (16, 3))
        a, k, b, r = tree(
            rng, c + (hil - c) * min(1, R / np.linalg.norm(hil - c)), (c - hil) / np.linalg.norm(c - hil), pts, 0.75
        )
        t = np.linspace(0, 1, 6)[:, None]
        lung0 = s.hu.copy()
        for i in range(len(a)):
            s.tube((1 - t) ** 2 * a[i] + 2 * t * (1 - t) * k[i] + t**2 * b[i], r[i], -870, keep_lung=True)
        s.hu[:] = np.where(mute > 0.2, s.hu, lung0)
    elif kind == "cavity":
        d = lumpy(rng, q, R, 0.16) + 0.8 * mid
        wall = rng.uniform(2.5, 7.5)
        din = d + wall * clip(1 + 0.35 * low + 0.3 * mid, 0.4, 2)
        cov = s.cover(d) * (lung > 0.02)
        s.hu[sl] += clip(0.5 - d / 12, 0, 1) * lung * 0.35 * (-600 - s.hu[sl]) * (1 - cov)
        s.hu[sl] += cov * (hu + 6 * mid - s.hu[sl])
        fluid = rng.uniform(0.05, 0.8) * R if rng.random() < 0.6 else 1e3
        s.hu[sl] += s.cover(din) * (np.where(q[1] > fluid, 14, -960) - s.hu[sl])
    else:
        d = (
            lumpy(rng, q, R, 0.07 if kind == "smooth" else 0.20, kap=4 if kind == "smooth" else 9)
            + (0.25 if kind == "smooth" else 0.9) * mid
        )
        if kind == "spiculated":
            for i in range(int(rng.integers(16, 30))):
                u = (
                    rng.normal(size=3) if i else np.array([np.sign(c[0]), 0.5 * np.sign(c[1]), 0.1])
                )  # the first one is the pleural tail
                u /= np.linalg.norm(u)
                ln, w0 = R * (rng.uniform(1.4, 2.4) if i else 3), rng.uniform(1.2, 2.4)
                tq = np.tensordot(u, q, 1)
                bend = q - u[:, None, None, None] * tq
                d = np.minimum(
                    d,
                    np.where(
                        (tq > 0) & (tq < ln), np.sqrt((bend**2).sum(0)) - w0 * clip(1 - tq / ln, 0, 1) ** 0.55, 99
                    ),
                )
            s.hu[sl] += clip(0.5 - (d - 2) / 9, 0, 1) * lung * 0.3 * (-550 - s.hu[sl])
        cov = s.cover(d) * (lung > 0.02)
        s.hu[sl] += cov * (hu + (3 if kind == "smooth" else 9) * mid - s.hu[sl])
        if kind == "smooth" and rng.random() < 0.15:
            s.blob(c + rng.normal(0, 1, 3), (R * 0.35,) * 3, 420, keep_lung=True)
    info["cov"][sl] = cov
    if kind == "consolidation":
        info["mute"] = mute


def scanner(s, h, rng, zsub):
    """Slice profile, kernel PSF, beam hardening, streaks, noise, field of view."""
    sig, boost, peak = KERNELS[h["kernel"]]
    v = (
        ndi.gaussian_filter1d(s.hu, h["thick"] / s.dz / 2.6, axis=0)[zsub // 2 :: zsub]
        if h["thick"] > s.dz
        else s.hu[zsub // 2 :: zsub]
    )
    g = max(sig / s.px, 0.28)
    v = ndi.gaussian_filter(v, (0, g, g))
    if boost:
        w = max(1.0 / s.px, 0.7)
        v = v + boost * (v - ndi.gaussian_filter(v, (0, w, w)))
    n, f = s.n, hypot(*np.meshgrid(sfft.rfftfreq(s.n, s.px), sfft.fftfreq(s.n, s.px)))
    nps = (f + 0.004) * exp(-((f / (peak * 1.42)) ** 2))  # ramp times roll-off, top at `peak`
    amp = np.sqrt(nps)
    mu = clip(v / 1000 + 1, 0, 3) * 0.0195 * s.px
    ref, prev = 2.6, 0
    for k in range(len(v)):
        px_, py_ = mu[k].sum(1), mu[k].sum(0)
        var = 0.5 * (exp(px_ - 5.0)[:, None] + exp(py_ - 4.2)[None]) ** 0.5 + 0.12
        white = sfft.rfft2(rng.standard_normal((n, n), dtype=np.float32))
        nz = sfft.irfft2(white * amp, (n, n))
        nz /= nz.std()
        nz = 0.92 * nz + 0.39 * prev if k else nz
        prev = nz
        sd = ndi.gaussian_filter(var, 6)
        sd *= h["noise"] / sd[v[k] > -300].mean()
        st = 0
        for ang in np.radians((-14, -7, -3, 0, 3, 7, 14)):  # photon starvation across the shoulders
            line = ndi.gaussian_filter1d(rng.standard_normal(2 * n), 0.8) * 1.6
            r = (s.Y * np.cos(ang) + s.X * np.sin(ang)) / s.px + n
            st = st + np.interp(r, np.arange(2 * n), line * np.pad(clip(exp((px_ - 5.6) * 0.8) - 0.5, 0, 4), n // 2))
        bh = (
            -26
            * clip(ndi.gaussian_filter1d((clip(v[k] - 250, 0, 900) * s.px).sum(1) / 2.4e4, 3) - 0.35, 0, 1)[:, None]
            * (v[k] > -400)
        )
        v[k] += nz * sd + h["noise"] * 0.16 * st + bh
    fov = hypot(s.X, s.Y) > s.n * s.px / 2
    v = clip(v, -1024, 3071)
    v[:, fov] = h["pad"]
    return np.round(v).astype(np.int16)


def pose(s, p, rng, info):
    """Nobody lies straight: roll a few degrees, shift, lean (the slices shear), and the mask with them."""
    a, lean, dx = np.radians(rng.normal(0, 3.2)), rng.normal(0, 0.05), rng.normal(0, 7)
    m = np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])
    for i, z in enumerate(s.z):
        c = np.array([s.n / 2, s.n / 2])
        off = c - m @ (c + [0, (dx + lean * (z - 60)) / s.px])
        s.hu[i] = ndi.affine_transform(s.hu[i], m, off, order=1, cval=-1000)
        s.lung[i] = ndi.affine_transform(s.lung[i], m, off, order=1)
        if info["cov"][i].any():
            info["cov"][i] = ndi.affine_transform(info["cov"][i], m, off, order=1)


def table(s, h, rng):
    yb = s.back + 3
    arc = 0.0011 * s.X**2 if h["table"] != 1 else 0.0004 * s.X**2
    half = (205, 215, 190)[h["table"]]
    c = 0
    for dy, val in (((0, 0.75), (20, 0.5)), ((0, 0.6), (34, 0.6)), ((4, 0.7), (11, 0.35)))[h["table"]]:
        d = np.abs(s.Y - yb - 1 - dy + arc) - 1.0
        c = np.maximum(c, s.cover(np.maximum(d, np.abs(s.X) - half + dy * 1.5)) * val)
    s.hu += c * (-120 - s.hu) * (s.hu < -500) * (s.lung < 0.01) * (yb - 22 < s.Y)
    if rng.random() < 0.7:  # gown or blanket
        d = np.abs(s.Y + s.p["B"] + 34 + s.p["fat"] + 5 * np.sin(s.X / 31 + rng.uniform(0, 6)) - 0.002 * s.X**2) - 0.4
        s.hu += s.cover(d) * 140 * (s.hu < -950)


def make(seed, finding, hospital, size, slices, cover_mm, around_finding, change):
    h = {**HOSPITALS[hospital], **change}
    rng, lrng, srng = (np.random.default_rng([seed, stream]) for stream in (11, 12, 13))
    p = patient(rng)
    contrast = bool(srng.random() < h["contrast"])
    dz = cover_mm / slices
    zsub = max(1, int(round(dz / 2.5)))
    level = lrng.uniform(25, 125) * p["k"]
    bottom = level - cover_mm / 2 if around_finding else -50 * p["k"]
    s = Scan(size, slices * zsub, h["fov"] / size, dz / zsub, bottom)
    s.slab = around_finding
    body(s, p, rng, contrast)
    mediastinum(s, p, rng, contrast)
    info = lungs(s, p, rng, lrng, contrast, finding)
    pose(s, p, rng, info)
    table(s, h, srng)
    vol = scanner(s, h, srng, zsub)
    mask = info["cov"].reshape(slices, zsub, size, size).mean(1) > 0.4
    return s, p, h, contrast, info, vol, mask
