import { Readable } from 'node:stream';
import {
  type ArgumentsHost,
  Body,
  type CallHandler,
  type CanActivate,
  Catch,
  Controller,
  type ExceptionFilter,
  Get,
  Header,
  HttpCode,
  HttpException,
  Injectable,
  type NestInterceptor,
  NotFoundException,
  Post,
  Query,
  Res,
  Sse,
  StreamableFile,
  UseGuards,
} from '@nestjs/common';
import { from, map, type Observable } from 'rxjs';
import { FareboxCall, Price } from '../src/nest.js';
import type { PricedCall } from '../src/priced-call.js';

class Closed implements CanActivate {
  canActivate(): boolean {
    return false;
  }
}

/** The part of fastify's reply that the tests use. */
interface Reply {
  code(status: number): Reply;
  header(name: string, value: string): Reply;
  send(body: unknown): Reply;
}

@Controller('free')
export class FreeController {
  @Get()
  free(): string {
    return 'free';
  }

  @Price({ meter: 'api_calls' })
  @Get('not')
  paid(): string {
    return 'paid';
  }
}

@Price({ meter: 'api_calls' })
@Controller('shop')
export class ShopController {
  @Get('json')
  @Header('x-own', 'yes')
  json(): object {
    return { hello: 'world' };
  }

  @Get('text')
  @HttpCode(203)
  text(): string {
    return 'hello';
  }

  @Get('bytes')
  bytes(): Buffer {
    return Buffer.from([0, 255]);
  }

  @Get('stream')
  stream(): StreamableFile {
    return new StreamableFile(Readable.from([Buffer.from('str'), Buffer.from('eam')]), { type: 'text/plain' });
  }

  @Get('manual')
  manual(@Res() reply: Reply): void {
    reply.code(200).header('x-own', 'yes').send({ by: 'hand' });
  }

  @Get('missing')
  missing(): string {
    throw new NotFoundException('no such thing');
  }

  @Get('broken')
  broken(): string {
    throw new Error('of its own');
  }

  @Get('forbidden')
  @UseGuards(Closed)
  forbidden(): string {
    return 'forbidden';
  }

  @Price({
    meter: 'compute',
    quantity: ({ query }) => (query as { seconds: string }).seconds,
    description: 'A job',
    mimeType: 'text/plain',
  })
  @Post('job')
  @HttpCode(200)
  job(@FareboxCall() call: PricedCall, @Body() body: { name: string }, @Query('seconds') seconds: string): string {
    call.measure('0.25');
    return `${body.name} for ${seconds} s, ${call.payment.id}`;
  }
}

/** Waits for each part to be covered, and ends with a last word. */
async function* parts(call: PricedCall): AsyncGenerator<string> {
  for (let n = 1; n <= 20; n++) {
    const isCovered = await call.use(String(n));
    yield isCovered ? `${n} ` : 'stopped';
    if (!isCovered) return;
  }
}

@Price({ meter: 'tokens', quantity: '4', stream: true })
@Controller('streams')
export class StreamsController {
  @Get('file')
  file(@FareboxCall() call: PricedCall): StreamableFile {
    return new StreamableFile(Readable.from(parts(call), { objectMode: false }), { type: 'text/plain' });
  }

  @Sse('events')
  events(@FareboxCall() call: PricedCall): Observable<{ data: string }> {
    return from(parts(call)).pipe(map((data) => ({ data })));
  }

  @Get('missing')
  missing(): string {
    throw new NotFoundException('no such thing');
  }
}

@Injectable()
export class Envelope implements NestInterceptor {
  intercept(_: unknown, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(map((data: unknown) => ({ data })));
  }
}

@Catch(HttpException)
export class OwnWords implements ExceptionFilter {
  readonly seen: unknown[] = [];
  catch(error: HttpException, host: ArgumentsHost): void {
    this.seen.push(error);
    host.switchToHttp().getResponse<Reply>().code(error.getStatus()).header('x-filter', 'own').send('own words');
  }
}
