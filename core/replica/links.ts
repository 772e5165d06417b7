// Calls from a replica to its successor, safe against messages that arrive late or twice (design 4.2): each names
// the chain version, the sender's incarnation, a link and a number in it. A call without an answer is sent again
// on a new link; a receiver that has seen a link takes nothing of older ones, and nothing of a link out of order.

import type { ChainVer, TargetId } from '../base/ids.ts';
import type { PeerBody, PeerReply, ReplicaEnv, ReplicaMessage, ReplicaSettings } from './types.ts';

type CallMessage = Extract<ReplicaMessage, { kind: 'call' }>;
type ReplyMessage = Extract<ReplicaMessage, { kind: 'reply' }>;

interface OpenCall {
  readonly body: PeerBody;
  readonly onReply: (reply: PeerReply) => void;
  link: number;
  /** Counts the transmissions: a timer of an earlier one does nothing, or each would beget two. */
  attempt: number;
  /** It will be sent again after a pause. */
  pausing: boolean;
}

/** The sending side. */
export class SuccessorLink {
  private readonly env: ReplicaEnv;
  private readonly settings: ReplicaSettings;
  private readonly incarnation: number;
  private chainVersion = 0 as ChainVer;
  private successor: TargetId | undefined;
  private link = 0;
  private sequence = 0;
  private nextCall = 1;
  private readonly calls = new Map<number, OpenCall>();

  constructor(env: ReplicaEnv, settings: ReplicaSettings, incarnation: number) {
    this.env = env;
    this.settings = settings;
    this.incarnation = incarnation;
  }

  /** Under a new chain version all calls are forgotten: their callers start anew. */
  reset(chainVersion: ChainVer, successor: TargetId | undefined): void {
    this.calls.clear();
    this.chainVersion = chainVersion;
    this.successor = successor;
    this.link = 1;
    this.sequence = 0;
  }

  /** `onReply` runs once, under the chain version of the call, or never. */
  call(body: PeerBody, onReply: (reply: PeerReply) => void): void {
    const number = this.nextCall++;
    this.calls.set(number, { body, onReply, link: 0, attempt: 0, pausing: false });
    this.transmit(number);
  }

  private transmit(number: number): void {
    const open = this.calls.get(number);
    const { successor, chainVersion, incarnation } = this;
    if (open === undefined || successor === undefined) return;
    open.link = this.link;
    open.pausing = false;
    const attempt = ++open.attempt;
    const sequence = ++this.sequence;
    const { link } = this;
    const { body } = open;
    this.env.send(successor, {
      kind: 'call',
      chainVersion,
      incarnation,
      link,
      sequence,
      call: number,
      body,
    });
    this.env.after(this.settings.callMs, () => this.onTimeout(number, attempt));
  }

  private onTimeout(number: number, attempt: number): void {
    const open = this.calls.get(number);
    // Answered, forgotten, or sent again meanwhile.
    if (open === undefined || open.attempt !== attempt) return;
    if (open.link === this.link) {
      this.link++;
      this.sequence = 0;
    }
    this.transmit(number);
  }

  onReply(message: ReplyMessage): void {
    if (message.chainVersion !== this.chainVersion || message.incarnation !== this.incarnation)
      return;
    const open = this.calls.get(message.call);
    if (open === undefined) return;
    if (message.reply.kind === 'other-version') {
      // One of us has yet to learn the newer version; if it is us, the call is forgotten then.
      const { attempt } = open;
      if (open.pausing) return;
      open.pausing = true;
      this.env.after(this.settings.otherVersionMs, () => {
        if (this.calls.get(message.call) === open && open.attempt === attempt)
          this.transmit(message.call);
      });
      return;
    }
    this.calls.delete(message.call);
    open.onReply(message.reply);
  }
}

/** The receiving side: which calls of the predecessor may be looked at. */
export class PredecessorGate {
  private incarnation: number | undefined;
  private link = 0;
  private sequence = 0;

  /** Under a new chain version the predecessor starts anew. */
  reset(): void {
    this.incarnation = undefined;
    this.link = 0;
    this.sequence = 0;
  }

  admits({ incarnation, link, sequence }: CallMessage): boolean {
    // A process that starts again is excluded before it serves: within one version there is only one.
    this.incarnation ??= incarnation;
    if (incarnation !== this.incarnation || link < this.link) return false;
    if (link > this.link) {
      this.link = link;
      this.sequence = 0;
    }
    if (sequence <= this.sequence) return false;
    this.sequence = sequence;
    return true;
  }
}
