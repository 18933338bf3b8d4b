// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IRewardDistributor} from "../../../src/interfaces/IRewardDistributor.sol";
import {ModelId} from "../../../src/types/ModelId.sol";
import {TableReader} from "../../mocks/TableReader.sol";
import {Test} from "../../utils/Test.sol";

/// @title How contributor tables are kept and hashed.
contract TableLibTest is Test {
    TableReader internal tables = new TableReader();

    function test_unpack_ofNothingIsNobody() public view {
        (
            IRewardDistributor.Contributor[] memory training,
            IRewardDistributor.Contributor[] memory validators
        ) = tables.unpack("");
        assertEq(training.length + validators.length, 0, "nobody");
    }

    function testFuzz_pack_isUndoneByUnpack(uint256 seed, uint8 trainingCount, uint8 validatorCount) public view {
        _packsAndUnpacks(_members(seed, trainingCount % 65), _members(~seed, validatorCount % 65));
    }

    function test_pack_isUndoneByUnpackAtTheEnds() public view {
        _packsAndUnpacks(_members(1, 0), _members(2, 0));
        _packsAndUnpacks(_members(1, 64), _members(2, 64));
        _packsAndUnpacks(_members(1, 0), _members(2, 64));
        _packsAndUnpacks(_members(1, 64), _members(2, 0));
        IRewardDistributor.Contributor[] memory heaviest = new IRewardDistributor.Contributor[](1);
        heaviest[0] = IRewardDistributor.Contributor(address(type(uint160).max), type(uint24).max);
        _packsAndUnpacks(heaviest, heaviest);
    }

    function test_pack_takes23BytesForEachMember() public view {
        assertEq(tables.pack(_members(1, 3), _members(2, 2)).length, 1 + 5 * 23, "bytes");
    }

    /// The type string and the encoding of EIP-712, written out here.
    function testFuzz_structHash_isThatOfEip712(
        uint256 seed,
        uint8 trainingCount,
        uint8 validatorCount,
        uint64 nonce,
        uint40 expiry
    ) public view {
        IRewardDistributor.ContributorTable memory table = IRewardDistributor.ContributorTable({
            modelId: ModelId.wrap(bytes32(seed)),
            training: _members(seed, trainingCount % 8),
            validators: _members(~seed, validatorCount % 8),
            nonce: nonce,
            expiry: expiry
        });

        bytes32 expected = keccak256(
            bytes.concat(
                keccak256(
                    "ContributorTable(bytes32 modelId,Contributor[] training,Contributor[] validators,uint64 nonce,uint40 expiry)Contributor(address account,uint32 weight)"
                ),
                bytes32(seed),
                _hashOf(table.training),
                _hashOf(table.validators),
                bytes32(uint256(nonce)),
                bytes32(uint256(expiry))
            )
        );

        assertEq(tables.structHash(table), expected, "hash");
    }

    function _packsAndUnpacks(
        IRewardDistributor.Contributor[] memory training,
        IRewardDistributor.Contributor[] memory validators
    ) private view {
        (
            IRewardDistributor.Contributor[] memory unpackedTraining,
            IRewardDistributor.Contributor[] memory unpackedValidators
        ) = tables.unpack(tables.pack(training, validators));

        assertEq(keccak256(abi.encode(unpackedTraining)), keccak256(abi.encode(training)), "training nodes");
        assertEq(keccak256(abi.encode(unpackedValidators)), keccak256(abi.encode(validators)), "validators");
    }

    function _hashOf(IRewardDistributor.Contributor[] memory members) private pure returns (bytes32) {
        bytes memory hashes;
        for (uint256 i; i < members.length; ++i) {
            hashes = bytes.concat(
                hashes,
                keccak256(
                    bytes.concat(
                        keccak256("Contributor(address account,uint32 weight)"),
                        bytes32(uint256(uint160(members[i].account))),
                        bytes32(uint256(members[i].weight))
                    )
                )
            );
        }
        return keccak256(hashes);
    }

    /// @dev Weights are below 2^24, which is what a table can have.
    function _members(uint256 seed, uint256 count)
        private
        pure
        returns (IRewardDistributor.Contributor[] memory members)
    {
        members = new IRewardDistributor.Contributor[](count);
        for (uint256 i; i < count; ++i) {
            uint256 word = uint256(keccak256(abi.encode(seed, i)));
            members[i] = IRewardDistributor.Contributor(address(uint160(word)), uint24(word >> 160));
        }
    }
}
