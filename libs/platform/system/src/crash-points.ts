/**
 * Named places between two durable steps, where a fault test kills the process as `kill -9` would. Armed with the name of
 * one place; disarmed (the default, and always in production) reaching a place does nothing.
 */
export class CrashPoints {
  constructor(private readonly armed: string | undefined) {}

  reach(name: string): void {
    if (this.armed === name) process.kill(process.pid, 'SIGKILL');
  }
}
