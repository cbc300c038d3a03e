// What the API gives, as far as the page uses it, and what the store has: for `tsc` alone, it is not served.

type FlowState = 'live' | 'paused' | 'resuming';

interface PerKind {
  enroll: number;
  advance: number;
}

interface Counts {
  queued: PerKind;
  released: PerKind;
  replaced: PerKind;
  removed: PerKind;
  turned_away: PerKind;
  lost: PerKind;
}

interface Pause {
  id: string;
  by_all: boolean;
  paused_at: string;
  resumes_at: string;
  new_records: 'queue' | 'discard';
  keep: 'latest' | 'all';
  on_expiry: 'resume' | 'discard';
  expiry_rate: number | null;
  by: string;
  reason: string | null;
}

interface Drain {
  command_id: string | null;
  cause: 'resume' | 'timer';
  release: 'all' | 'none';
  max_rate: number | null;
  max_age_seconds: number | null;
}

interface Flow {
  version: number;
  flow_id: string;
  state: FlowState;
  pause: Pause | null;
  drain: Drain | null;
  sample?: { command_id: string; left?: number; record_ids?: string[]; released: PerKind } | null;
  counts: Counts;
  at_pause: Counts;
  withdrawn: number;
  held: PerKind & { total: number };
  queue: {
    n: number;
    topic: string | null;
    next_entry: number;
    watermark: { entry: number; offset: number };
    purge_through?: { entry: number; command_id: string; removed: PerKind } | null;
  };
  commands: { id: string; outcome: string; detail: string }[];
  indexing?: { remaining_events: number };
  partition: number;
  updated_at: string;
  as_of: string;
}

interface Who {
  name: string;
  role: Role;
  read_only: boolean;
  label?: string | null;
  version?: string;
  clock?: { now: string; per_second: number };
}

interface Looked {
  scanned: number;
  total: number;
  next: string | null;
  as_of: string;
}

interface Bytes {
  encoding: 'utf-8' | 'base64';
  data: string;
}

interface Content {
  key?: Bytes | null;
  value?: Bytes | null;
  headers?: { name: Bytes; value: Bytes | null }[];
  bytes: number;
}

interface HeldEvent extends Content {
  entry: number;
  kind: 'enroll' | 'advance';
  record_id: string;
  held_at: string;
  keep: 'latest' | 'all';
  fate: 'released' | 'replaced' | 'removed' | null;
  source: Place;
}

interface Place {
  topic: string;
  partition: number;
  offset: number;
}

interface Letter extends Content {
  item: string;
  set_aside_at: string;
  reason: string;
  detail: string;
  flow_id: string | null;
  record_id: string | null;
  source: Place | null;
  redriven: { times: number; exact: boolean; last: { at: string; by: string } | null } | null;
}

interface AuditEvent {
  id?: string;
  event: 'transition' | 'answer' | 'redriven';
  flow_id: string | null;
  partition: number;
  at: string;
  transition?: string;
  pause_id?: string | null;
  command_id?: string;
  count?: PerKind;
  first_entry?: number;
  within_seconds?: number;
  position?: { input: number; control: number; entry: number; watermark: number };
  command?: { command_id: string; flow_id: string; action?: string; issued_by?: string; reason?: string; invalid?: string };
  outcome?: string;
  detail?: string;
  repeated?: boolean;
  by?: string;
  reason?: string;
  source?: string;
  to?: string;
  edit?: { before?: Bytes | null; after?: Bytes };
}

interface Preview {
  sentence: string;
  flows: {
    flow_id: string;
    state: FlowState | null;
    held: number;
    through_entry?: number;
    max_rate?: number;
    expect: { pause_id: string | null };
  }[];
  held: number;
  exact?: boolean;
  oldest_held_at?: string | null;
  eta_seconds?: number | null;
  expect?: { pause_id: string | null } | string | null;
  as_of?: string;
}

interface RedrivePreview {
  done: boolean;
  letters: number;
  flows: Record<string, number>;
  stopped: number;
  obstacles: { item: string; obstacle: string; detail: string }[];
  sentence: string;
  expect?: string;
}

interface Answer {
  command_id: string;
  flow_id: string;
  outcome: 'applied' | 'unchanged' | 'rejected' | null;
  detail: string;
  offset: number;
}

interface Route {
  view: 'flows' | 'flow' | 'audit' | 'letters';
  id: string;
  tab: string;
  query: URLSearchParams;
}

/** A list that is read page by page from topics. */
interface Pages<T> {
  as_of?: string;
  /** What was asked for; another answer is not for this list. */
  path: string;
  items: T[];
  scanned: number;
  total: number;
  next: string | null;
  busy: boolean;
  problem: unknown;
  /** The request under way; others are of no use any more. */
  run: number;
  held?: number;
  missing?: 'topic' | 'records' | null;
}

/** Flows by their ids; null: every flow. */
type Ids = string[] | null;

type Role = 'viewer' | 'operator' | 'admin';

/** A list that is read page by page. */
type List = 'held' | 'audit' | 'letters';

type Kind =
  | 'pause' | 'resume' | 'change' | 'sample' | 'purge' | 'accept_loss' | 'forget' | 'redrive' | 'edit' | 'keys';

/** What was typed and chosen in a dialog. */
type Form = Record<string, string>;

/** Letters that are to be redriven, as the API names them. */
interface Which {
  kind: 'dead' | 'discarded';
  items?: string[];
  flow_id?: string;
  reason?: string;
  command?: string;
}

interface Dialog {
  kind: Kind;
  ids: Ids;
  form: Form;
  preview?: Preview | null;
  redrive?: RedrivePreview | null;
  /** The flow as the preview saw it. */
  seen?: Flow | null;
  /** What the preview was asked. */
  asked?: string;
  problem?: unknown;
  /** In words, what others have done meanwhile. */
  changed?: string;
  busy?: string;
  /** The command id: the same as long as the order is the same. */
  key: string;
  letters?: Which;
  letter?: Letter;
}

interface Notice {
  key: number;
  text: string;
  bad: boolean;
  details: string[];
  undo: (() => void) | null;
}

/** How far a drain was; `at` in ms, as long as ms of this machine. */
interface Passed {
  at: number;
  passed: number;
  held: number;
}

interface State {
  who: Who | null;
  /** Whoever asks has to log in first; in words why. */
  login: string | null;
  flows: Map<string, Flow>;
  /** Changes whenever `flows` does. */
  rev: number;
  known: number;
  counts: Record<FlowState, number>;
  /** Flows with a pause that every flow was given. */
  byAll: number;
  loaded: boolean;
  /** Live flows are too many to be listed: only those that were searched for are here. */
  partial: boolean;
  reading: { read: number; end: number } | null;
  trouble: string;
  streaming: boolean;
  /** When the page last knew everything; local time in ms. */
  fresh: number;
  /** The id of the last event of the stream. */
  last: string;
  /** A version that has taken the place of this page's. */
  newer: string;
  /** When a row last changed its state; local time in ms. */
  marks: Map<string, number>;
  passed: Map<string, Passed[]>;
  /** How many events had passed when a drain began that was seen to begin. */
  began: Map<string, number>;
  route: Route;
  utc: boolean;
  theme: string;
  cursor: string;
  selected: Set<string>;
  dialog: Dialog | null;
  notices: Notice[];
  said: string;
  held: Pages<HeldEvent>;
  audit: Pages<AuditEvent>;
  letters: Pages<Letter>;
  ticked: Set<string>;
  /** What is unfolded. */
  open: Set<string>;
  depth: { id: string; points: { at: string; depth: number }[]; at: number; held: number; problem: unknown };
}

/** A part of the document, as `draw.js` has it. */
interface Element_ {
  tag: string;
  key: unknown;
  props: Record<string, any>;
  kids: unknown[];
  node: Node | null;
  text: string;
  drawn: Map<string, Element_>;
}

/** What `h` is. */
interface Makes {
  (name: string, props: Props, ...kids: unknown[]): Element_;
  (name: string, ...kids: unknown[]): Element_;
}

/** Props of an element: its events, and whatever else it has. */
interface Props {
  [event: `on${string}`]: ((event: any) => unknown) | undefined | false | null;
  [name: string]: any;
}

/** Of a request. */
interface Options {
  method?: string;
  body?: unknown;
  /** The command id. */
  key?: string;
  signal?: AbortSignal;
  accept?: string;
  /** The id of the last event of the stream. */
  last?: string;
  /** In ms. */
  patience?: number;
}

/** Which letters are shown. */
interface Shown {
  kind: 'dead' | 'discarded';
  flow: string;
}
