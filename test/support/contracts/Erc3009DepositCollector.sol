// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

interface AuthorizedToken {
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external;

    function transfer(address to, uint256 amount) external returns (bool);
}

/// Pulls deposits by EIP-3009. The token demands that whoever calls is the one who receives, so value passes through here. The
/// nonce is the digest of channel and salt: an authorization signed for one channel can fund no other.
contract Erc3009DepositCollector {
    /// Where the settlement contract stands on every chain, so that the code needs no constructor.
    address public constant SETTLEMENT = 0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003;

    error OnlySettlement();
    error TransferFailed();

    function collect(address payer, address token, uint256 amount, bytes32 channelId, bytes calldata data) external {
        if (msg.sender != SETTLEMENT) revert OnlySettlement();
        (uint256 validAfter, uint256 validBefore, uint256 salt, bytes memory signature) =
            abi.decode(data, (uint256, uint256, uint256, bytes));
        bytes32 nonce = keccak256(abi.encode(channelId, salt));
        AuthorizedToken(token).receiveWithAuthorization(
            payer, address(this), amount, validAfter, validBefore, nonce, signature
        );
        if (!AuthorizedToken(token).transfer(SETTLEMENT, amount)) revert TransferFailed();
    }
}
