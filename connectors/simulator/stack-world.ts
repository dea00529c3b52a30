/**
 * A stack in a rapier world: built from a seed, stepped, measured. Only + − × ÷ and sqrt touch the numbers here, and the deterministic
 * build of rapier does the rest, so one seed gives one world on every platform (law 1). `free` returns the WebAssembly memory.
 */
import RAPIER from '@dimforge/rapier3d-deterministic-compat';
import type { Collider, RigidBody, World } from '@dimforge/rapier3d-deterministic-compat';
import { invariant } from '#kernel';
import { SeedStream } from './seed-stream.ts';
import type { StackInput } from './stack-input.ts';

/** m/s². */
const GRAVITY = 9.81;
/** Half the edge of the floor, m: far beyond where a toppled stack can roll in the longest run that is worth it. */
const FLOOR_HALF_EDGE = 100;
const FLOOR_HALF_THICKNESS = 0.5;
const FLOOR_FRICTION = 0.6;

interface Vector {
  readonly x: number;
  readonly y: number;
  readonly z: number;
}

interface Quaternion extends Vector {
  readonly w: number;
}

export interface Energy {
  /** J, translation and rotation. */
  readonly kinetic: number;
  /** J, kinetic plus potential above the floor. */
  readonly total: number;
}

/** Once before the first world; further calls cost nothing. */
export function startPhysics(): Promise<void> {
  return RAPIER.init();
}

export class StackWorld {
  readonly #input: StackInput;
  readonly #world: World;
  readonly #bodies: RigidBody[] = [];
  readonly #colliders: Collider[] = [];

  /** Needs `startPhysics()` to have resolved. */
  constructor(input: StackInput, seed: Uint8Array) {
    this.#input = input;
    this.#world = new RAPIER.World({ x: 0, y: -GRAVITY, z: 0 });
    const floor = this.#world.createRigidBody(RAPIER.RigidBodyDesc.fixed().setTranslation(0, -FLOOR_HALF_THICKNESS, 0));
    const slab = RAPIER.ColliderDesc.cuboid(FLOOR_HALF_EDGE, FLOOR_HALF_THICKNESS, FLOOR_HALF_EDGE).setFriction(FLOOR_FRICTION);
    this.#colliders.push(this.#world.createCollider(slab, floor));
    const stream = new SeedStream(seed);
    for (let i = 0; i < input.bodies; i += 1) this.#place(i, stream);
  }

  /** Body i, above its place by the gaps below it, moved aside, turned and tilted by seeded amounts. */
  #place(i: number, stream: SeedStream): void {
    const { drop, tilt, offset, width, depth } = this.#input;
    // Two tilted neighbours reach towards each other by at most this much, so bodies never start inside each other.
    const gap = drop + tilt * (width + depth);
    const position = RAPIER.RigidBodyDesc.dynamic()
      .setTranslation(stream.symmetric(offset * width), this.restingHeight(i) + (i + 1) * gap, stream.symmetric(offset * depth))
      .setRotation(turned(stream.symmetric(tilt / 2), stream.symmetric(1 / 4), stream.symmetric(tilt / 2)));
    const body = this.#world.createRigidBody(position);
    const collider = this.#shape()
      .setDensity(this.#input.density)
      .setFriction(this.#input.friction)
      .setRestitution(this.#input.restitution);
    this.#bodies.push(body);
    this.#colliders.push(this.#world.createCollider(collider, body));
  }

  #shape() {
    const { shape, width, depth } = this.#input;
    if (shape === 'ball') return RAPIER.ColliderDesc.ball(width / 2);
    if (shape === 'cylinder') return RAPIER.ColliderDesc.cylinder(this.bodyHeight / 2, width / 2);
    return RAPIER.ColliderDesc.cuboid(width / 2, this.bodyHeight / 2, depth / 2);
  }

  /** m; a ball is as high as it is wide. */
  get bodyHeight(): number {
    return this.#input.shape === 'ball' ? this.#input.width : this.#input.height;
  }

  /** Height of the centre of body i in the perfect stack, m. */
  restingHeight(i: number): number {
    return (i + 0.5) * this.bodyHeight;
  }

  /** One step of rapier's default 1/60 s. */
  step(): void {
    this.#world.step();
  }

  centre(i: number): Vector {
    return this.#body(i).translation();
  }

  /** How far the axis of body i still points up: 1 upright, 0 on its side, −1 upside down. */
  uprightness(i: number): number {
    const q = this.#body(i).rotation();
    return 1 - 2 * (q.x * q.x + q.z * q.z);
  }

  /** Largest squared speeds over all bodies: m²/s² and rad²/s². */
  fastest(): { readonly linear: number; readonly angular: number } {
    let linear = 0;
    let angular = 0;
    for (const body of this.#bodies) {
      linear = Math.max(linear, squared(body.linvel()));
      angular = Math.max(angular, squared(body.angvel()));
    }
    return { linear, angular };
  }

  energy(): Energy {
    let kinetic = 0;
    let potential = 0;
    for (const body of this.#bodies) {
      const mass = body.mass();
      // The principal axes of a box, an upright cylinder and a ball are the body's own axes.
      const inertia = body.principalInertia();
      const spin = turnedBack(body.angvel(), body.rotation());
      const turning = inertia.x * spin.x * spin.x + inertia.y * spin.y * spin.y + inertia.z * spin.z * spin.z;
      kinetic += (mass * squared(body.linvel()) + turning) / 2;
      potential += mass * GRAVITY * body.translation().y;
    }
    return { kinetic, total: kinetic + potential };
  }

  /** Deepest overlap of any two colliders now, m, 0 if none. */
  penetration(): number {
    let deepest = 0;
    for (const [i, first] of this.#colliders.entries()) {
      for (const second of this.#colliders.slice(i + 1)) {
        this.#world.contactPair(first, second, (manifold) => {
          for (let contact = 0; contact < manifold.numContacts(); contact += 1) {
            deepest = Math.max(deepest, -manifold.contactDist(contact));
          }
        });
      }
    }
    return deepest;
  }

  /** The whole state of the world as rapier writes it. */
  snapshot(): Uint8Array {
    return this.#world.takeSnapshot();
  }

  free(): void {
    this.#world.free();
  }

  #body(i: number): RigidBody {
    const body = this.#bodies[i];
    invariant(body !== undefined, `a stack of ${this.#bodies.length} has no body ${i}`);
    return body;
  }
}

/** The rotation with axis and half angle (x, y, z) = axis · tan(angle / 2): rational but for one square root, no sine. */
function turned(x: number, y: number, z: number): Quaternion {
  const norm = Math.sqrt(1 + x * x + y * y + z * z);
  return { x: x / norm, y: y / norm, z: z / norm, w: 1 / norm };
}

/** The vector seen from the turned frame: v + 2w(v × u) + 2(v × u) × u with q = (u, w). */
function turnedBack(v: Vector, q: Quaternion): Vector {
  const first = cross(v, q);
  const second = cross(first, q);
  return { x: v.x + 2 * (q.w * first.x + second.x), y: v.y + 2 * (q.w * first.y + second.y), z: v.z + 2 * (q.w * first.z + second.z) };
}

function cross(a: Vector, b: Vector): Vector {
  return { x: a.y * b.z - a.z * b.y, y: a.z * b.x - a.x * b.z, z: a.x * b.y - a.y * b.x };
}

function squared(v: Vector): number {
  return v.x * v.x + v.y * v.y + v.z * v.z;
}
